"""The training loop of an epoch: batches in, optimizer steps out."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice
from random import Random

from mtk.calling.failures import call
from mtk.config import RunConfig
from mtk.data.batches import shuffled
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
        self.batch_sizes = batch_sizes
        self.report = report
        self.turns = self.combiner.turns()
        self.steps_per_epoch = self._rounds() * len(self.turns)
        self.steps = min(config.epochs * self.steps_per_epoch, config.steps or sys.maxsize)
        self.epoch_count = math.ceil(self.steps / self.steps_per_epoch)
        self.step = self.epoch = 0
        self.examples = 0
        self.seconds = 0.0
        self.optimizer = build_optimizer(self.model, self.combiner, config, capturable=record)
        self.schedule = build_schedule(self.optimizer, config.warmup, self.steps)
        self.recorded = record
        self._step: Step = RecordedSteps(self._make_step) if record else self._make_step
        self._telemetry = Telemetry(engine.layers)

    def epochs(self) -> Iterator[int]:
        """Train epoch after epoch, and give each one's number when it is done."""
        streams = {
            task: shuffled(tokens.lengths, self.batch_sizes[task], Random(f"{self.config.seed} {task}"))
            for task, tokens in self.train.items()
        }
        for epoch in range(1, self.epoch_count + 1):
            self.epoch = epoch
            self._epoch(streams)
            yield epoch

    def optimize(self, batches: Mapping[str, Parts]) -> Outcome:
        """One optimizer step of one turn, on a batch of each of its tasks."""
        outcome = self._step(batches)
        self.schedule.step()
        call(self.combiner, "after_step", losses=lambda: self.engine.losses(batches))
        return outcome

    def _epoch(self, streams: Mapping[str, Iterator[list[int]]]) -> None:
        self.model.train()
        began = reported = time.perf_counter()
        seen = 0
        for turn in islice(cycle(self.turns), min(self.steps_per_epoch, self.steps - self.step)):
            examples = {task: next(streams[task]) for task in turn}
            batches = {task: self._parts(task, numbers) for task, numbers in examples.items()}
            outcome = self.optimize(batches)
            self._telemetry.add(outcome, examples)
            self.step += 1
            if self.model.device.type == "cpu" and not outcome.finite:  # a device is only asked with every report
                self._check_finite()
            seen += sum(len(part) for parts in batches.values() for part in parts)
            now = time.perf_counter()
            if now - reported >= REPORT_SECONDS:
                reported = now
                self.report(self._progress(seen / (now - began)))
        if self._telemetry:
            self.report(self._progress(seen / (time.perf_counter() - began)))
        self.seconds += time.perf_counter() - began
        self.examples += seen

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
        return [self.train[task].batch(examples[i : i + size], multiple) for i in range(0, len(examples), size)]

    def _rounds(self) -> int:
        """How often every task has its turn in an epoch."""
        passes = [math.ceil(len(tokens) / self.batch_sizes[task]) for task, tokens in self.train.items()]
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
