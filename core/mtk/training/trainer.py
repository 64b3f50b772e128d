"""The training loop of an epoch: batches in, optimizer steps out."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from random import Random

from mtk.calling.failures import call
from mtk.config import RunConfig
from mtk.data.batches import Batches, pieces
from mtk.data.tokens import Batch, TokenizedSplit
from mtk.engine.cuda_graphs import LENGTHS, RecordedSteps, Step
from mtk.engine.gradients import Engine, Outcome, Parts
from mtk.events import Progress
from mtk.training.nonfinite import describe, update
from mtk.training.optimizer import build_optimizer
from mtk.training.schedule import build_schedule
from mtk.training.telemetry import Telemetry

# Losses are fetched from the device so many seconds apart; in between, nothing waits for it.
REPORT_SECONDS = 1.0


class Trainer:
    """Trains an engine's model on tokenized training sets, `train[task]`, with `batch_sizes[task]` examples in a step.
    `report` gets a Progress every second or so. `record` is whether steps are recorded as CUDA graphs."""

    def __init__(
        self,
        engine: Engine,
        train: Mapping[str, TokenizedSplit],
        batch_sizes: Mapping[str, int],
        config: RunConfig,
        *,
        report: Callable[[Progress], object],
        record: bool = False,
    ) -> None:
        self.engine, self.train, self.config = engine, train, config
        self.model, self.combiner = engine.model, engine.combiner
        self.report = report
        self.batches = {
            task: Batches(tokens.lengths, batch_sizes[task], Random(f"{config.seed} {task}"))
            for task, tokens in train.items()
        }
        self.turns = self.combiner.turns()
        self.steps_per_epoch = self._rounds() * len(self.turns)
        self.steps = min(config.epochs * self.steps_per_epoch, config.steps or sys.maxsize)
        self.epoch_count = math.ceil(self.steps / self.steps_per_epoch)
        self.step = self.evaluated = 0  # steps made, epochs whose evaluation is over
        self.examples = 0
        self.seconds = 0.0
        self.optimizer = build_optimizer(self.model, self.combiner, config, capturable=record)
        self.schedule = build_schedule(self.optimizer, config.warmup, self.steps)
        self.recorded = record
        self.undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext  # around each step
        self.between_steps: Callable[[], object] = lambda: None
        self._step: Step = RecordedSteps(self._make_step) if record else self._make_step
        self._telemetry = Telemetry(engine.layers)
        self._began = (0.0, 0)  # when the epoch began, and after how many examples

    @property
    def epoch(self) -> int:
        """The epoch that is trained, or was last, counted from 1; 0 before the first step."""
        return math.ceil(self.step / self.steps_per_epoch)

    def epochs(self) -> Iterator[int]:
        """Train epoch after epoch, and give each one's number when it is done: from where it is, which is the beginning or
        where a run was left off. An epoch counts as evaluated once the next one is asked for."""
        while self.evaluated < self.epoch_count:
            epoch = self.evaluated + 1
            self._train_until(min(self.steps, epoch * self.steps_per_epoch))
            yield epoch
            self.evaluated = max(self.evaluated, epoch)

    def optimize(self, batches: Mapping[str, Parts]) -> Outcome:
        """One optimizer step of one turn, on a batch of each of its tasks."""
        outcome = self._step(batches)
        self.schedule.step()
        call(self.combiner, "after_step", losses=lambda: self.engine.losses(batches))
        return outcome

    def tell(self) -> None:
        """Report what is not reported yet."""
        if self._telemetry:
            began, examples = self._began
            self.report(self._progress((self.examples - examples) / (time.perf_counter() - began)))

    def _train_until(self, end: int) -> None:
        self.model.train()
        began = reported = time.perf_counter()
        self._began = began, self.examples
        while self.step < end:
            turn = self.turns[self.step % len(self.turns)]
            with self.undisturbed():
                examples = {task: next(self.batches[task]) for task in turn}
                outcome = self.optimize({task: self._parts(task, numbers) for task, numbers in examples.items()})
                self._telemetry.add(outcome, examples)
                self.step += 1
                self.examples += sum(map(len, examples.values()))
            if self.model.device.type == "cpu" and not outcome.finite:  # a device is only asked with every report
                self._check_finite()
            if time.perf_counter() - reported >= REPORT_SECONDS:
                reported = time.perf_counter()
                with self.undisturbed():
                    self.tell()
            if self.step < end:
                self.between_steps()
        self.tell()
        self.seconds += time.perf_counter() - began

    def _check_finite(self) -> None:
        """Raises NonFiniteError for a step since the last report that made no update."""
        if found := self._telemetry.nonfinite():
            number, outcome, examples = found
            self.engine.check([outcome])  # of what is finite the combiner made something that is not
            since = len(self._telemetry.outcomes)
            raise describe(self.step - since + number + 1, outcome, examples, self.train)

    def _make_step(self, batches: Mapping[str, Parts]) -> Outcome:
        outcome = self.engine.backward(batches)
        update(self.optimizer, outcome.finite)
        self.combiner.zero_grad(set_to_none=True)
        self.engine.release()
        return outcome

    def _parts(self, task: str, examples: list[int]) -> list[Batch]:
        size = math.ceil(len(examples) / self.config.accumulate)
        multiple = LENGTHS if self.recorded else 1
        return [self.train[task].batch(part, multiple) for part in pieces(examples, size)]

    def _rounds(self) -> int:
        """How often every task has its turn in an epoch."""
        passes = [batches.per_pass for batches in self.batches.values()]
        match self.config.epoch:
            case "longest":
                return max(passes)
            case "shortest":
                return min(passes)
            case rounds:
                return rounds

    def _progress(self, examples_per_second: float) -> Progress:
        telemetry = self._telemetry
        self._check_finite()
        self.engine.check(telemetry.outcomes)
        progress = Progress(
            step=self.step,
            steps=self.steps,
            epoch=self.epoch,
            losses=telemetry.losses(),
            own_losses=telemetry.own_losses(),
            cosines=telemetry.cosines(),
            layer_cosines=telemetry.layer_cosines(),
            learning_rate=float(self.schedule.get_last_lr()[0]),
            examples_per_second=examples_per_second,
        )
        telemetry.clear()
        return progress
