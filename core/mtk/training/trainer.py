"""The training loop from one evaluation to the next: batches in, optimizer steps out."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from torch import Tensor

from mtk.calling.failures import call
from mtk.config import RunConfig
from mtk.data.batches import pieces
from mtk.data.shards import Tokens
from mtk.data.tokens import Batch
from mtk.engine.cuda_graphs import RecordedSteps
from mtk.engine.gradients import Engine, Outcome, Parts, Sizes
from mtk.engine.processes import FEWEST
from mtk.engine.shapes import Shapes, Widest
from mtk.errors import out_of_memory_explained
from mtk.events import Progress
from mtk.host.part import Part
from mtk.model.multitask import Model
from mtk.sampler import Sampler
from mtk.training.averaging import WeightAverage
from mtk.training.learned import Movement
from mtk.training.nonfinite import Skips, describe, kept_from, update
from mtk.training.optimizer import build_optimizer
from mtk.training.sampling import Sampling
from mtk.training.schedule import build_schedule
from mtk.training.telemetry import REPORT_SECONDS, Telemetry


@dataclass(frozen=True)
class Recipe:
    """How a run trains: the parts that have a say in every step beside the combiner."""

    sampler: Part
    optimizer: Part
    schedule: Part
    ema_decay: float | None = None


class Trainer:
    """Trains an engine's model on tokenized training sets, `train[task]`, with `batch_sizes[task]` examples in a step, or as
    many as the recipe's sampler says.
    `report` gets a Progress every second or so. `record` is whether steps are recorded as CUDA graphs. Where the engine has
    several processes, each takes its share of these examples."""

    def __init__(
        self,
        engine: Engine,
        train: Mapping[str, Tokens],
        batch_sizes: Mapping[str, int],
        config: RunConfig,
        recipe: Recipe,
        *,
        report: Callable[[Progress], object],
        record: bool = False,
    ) -> None:
        self.engine, self.train, self.config = engine, train, config
        self.model, self.combiner, self.processes = engine.model, engine.combiner, engine.processes
        self.report = report
        self.turns = self.combiner.turns()
        sizes = {task: len(tokens) for task, tokens in train.items()}
        sampler: Sampler = recipe.sampler.build()
        self.sampling = Sampling(sampler, sizes, batch_sizes, recipe.sampler.framework["batch"], config.seed)
        each = {task: size for turn in self.turns for task, size in self.sampling.batch_sizes(turn).items()}
        self._drawn_as = {task: _first_alike(task, train, each) for task in each}
        self.batches = {
            task: train[task].batches(size, Random(f"{config.seed} {self._drawn_as[task]}")) for task, size in each.items()
        }
        self.steps_per_epoch = self._rounds() * len(self.turns)
        self.steps = min(config.epochs * self.steps_per_epoch, config.steps or sys.maxsize)
        self.epoch_count = math.ceil(self.steps / self.steps_per_epoch)
        self.step = self.evaluated = 0  # steps made, and those that were made at the last evaluation
        self.examples = 0
        self.seconds = 0.0
        self.skips = Skips()
        self.movements = {task: Movement() for task in train}  # of the tasks' losses
        self.optimizer = build_optimizer(recipe.optimizer, self.model, self.combiner, config, capturable=record)
        self.schedule = build_schedule(recipe.schedule.build(), self.optimizer, config.warmup, self.steps)
        self.average = None if recipe.ema_decay is None else WeightAverage(self.model, recipe.ema_decay)
        self.recorded = record
        self.undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext  # around each step
        self.between_steps: Callable[[], object] = lambda: None
        # to look for them in all modules in every step takes a third of what the host does around a replay
        self._with_buffers = [module for module in self.model.modules() if module._buffers]
        self._recorded_step = RecordedSteps(self._make_step, rooms=engine.rooms) if record else None
        self._shapes: Shapes | Widest | None = None
        if record:
            self._shapes = Widest(train, each) if engine.by_room else Shapes(train, each, self.steps, len(self.turns))
        self._telemetry = Telemetry(engine.layers)
        self._began = (0.0, 0)  # when the epoch began, and after how many examples

    @property
    def epoch(self) -> int:
        """The epoch that is trained, or was last, counted from 1; 0 before the first step."""
        return math.ceil(self.step / self.steps_per_epoch)

    @property
    def ends_epoch(self) -> bool:
        """Whether it is between two epochs, or at the end."""
        return self.step == self.steps or self.step % self.steps_per_epoch == 0

    @property
    def evaluated_model(self) -> Model:
        """What is evaluated and kept: the mean of the weights, where there is one."""
        return self.average.model if self.average else self.model

    def evaluations(self) -> Iterator[int]:
        """Train from one evaluation to the next, and give the epoch's number at each: from where it is, which is
        the beginning or where a run was left off. It counts as made once the next one is asked for."""
        while self.evaluated < self.steps:
            self._train_until(self._next_evaluation())
            yield self.epoch
            self.evaluated = self.step

    def _next_evaluation(self) -> int:
        """The step of it: at the end of an epoch, after so many steps, and in the end."""
        every = [self.steps_per_epoch, *filter(None, [self.config.evaluate_every])]
        return min(self.steps, *((self.evaluated // steps + 1) * steps for steps in every))

    def optimize(self, batches: Mapping[str, Parts], sizes: Sizes = None) -> Outcome:
        """One optimizer step of one turn, on a batch of each of its tasks, or this process's share of batches with so many
        examples in all."""
        with kept_from(self._touched()) as finite:
            outcome = self._recorded_step(batches) if self._recorded_step else self._make_step(batches, sizes)
            finite.append(outcome.finite)
            if self.model.device.type != "cpu" or outcome.finite:
                call(self.combiner, "after_step", losses=lambda: self.engine.losses(batches, sizes))
        self.schedule.step()
        if self.average:
            self.average.update(self.model, self.step + 1)
        return outcome

    def _touched(self) -> list[Tensor]:
        """What a step changes beside the parameters, and should not if it is none. On a CPU no combiner is asked then."""
        own = [buffer for module in self._with_buffers for buffer in module._buffers.values() if buffer is not None]
        if self.config.on_nonfinite == "skip" and self.model.device.type != "cpu":
            own += self.combiner.buffers()
        return own

    def tell(self) -> None:
        """Report what is not reported yet."""
        self._check_finite()
        if self._telemetry:
            began, examples = self._began
            self.report(self._progress((self.examples - examples) / (time.perf_counter() - began)))

    def _train_until(self, end: int) -> None:
        self.model.train()
        began, reported = time.perf_counter(), self.processes.now()
        self._began = began, self.examples
        while self.step < end:
            turn = self.turns[self.step % len(self.turns)]
            with self.undisturbed():
                examples = {task: self.batches[task].take(count) for task, count in self._counts(turn).items()}
                sizes = {task: len(numbers) for task, numbers in examples.items()}
                parts = self._parts(examples)
                with out_of_memory_explained(partial(_described, self.step + 1, parts)):
                    outcome = self.optimize(parts, sizes)
                self.step += 1
                self._telemetry.add(self.step, outcome, examples)
                self.examples += sum(sizes.values())
            if self.model.device.type == "cpu" and not outcome.finite:  # a device is only asked with every report
                self._check_finite()
            if self.processes.now() - reported >= REPORT_SECONDS:
                reported = self.processes.now()
                with self.undisturbed():
                    self.tell()
            if self.step < end:
                self.between_steps()
        self.tell()
        self.seconds += time.perf_counter() - began

    def _counts(self, turn: Sequence[str]) -> dict[str, int]:
        epoch = self.step // self.steps_per_epoch + 1
        return self.sampling.examples(turn, self.step, self.steps, epoch, self.epoch_count)

    def _check_finite(self) -> None:
        """What steps since the last report made no update: they end the run, which is a NonFiniteError, or are counted."""
        for step, outcome, examples in self._telemetry.take_nonfinite():
            self.engine.check([outcome])  # of what is finite the combiner made something that is not
            found = describe(step, outcome, examples, self.train)
            if self.config.on_nonfinite == "stop":
                raise found
            self.skips.add(step, found)

    def _make_step(self, batches: Mapping[str, Parts], sizes: Sizes = None) -> Outcome:
        outcome = self.engine.backward(batches, sizes)
        update(self.optimizer, outcome.finite)
        self.combiner.zero_grad(set_to_none=True)
        self.engine.release()
        return outcome

    def _parts(self, examples: Mapping[str, list[int]]) -> dict[str, list[Batch]]:
        """Of each task's batch of these examples what this process takes, in parts. Tasks that read the same have the same
        readings, which are encoded once."""
        numbers = {task: self._pieces(own) for task, own in self.processes.share(examples).items()}
        as_drawn: dict[tuple[str, tuple[int, ...]], str] = {}
        first = {task: as_drawn.setdefault((self._drawn_as[task], tuple(own)), task) for task, own in examples.items()}
        lengths = self._shapes.of({task: numbers[task] for task in as_drawn.values()}) if self._shapes else {}
        parts: dict[str, list[Batch]] = {}
        for task, of_task in numbers.items():
            own = [self._batch(task, part, lengths.get(first[task], ())) for part in of_task]
            if self.processes.sharded:  # all pass as many
                most = max(len(self._pieces(range(count))) for count in self.processes.shared_out(len(examples[task])))
                if len(own) < most:
                    silent = replace(self._batch(task, examples[task][:FEWEST]), silent=True)
                    own += [silent] * (most - len(own))
            if first[task] != task:
                own = [replace(b, readings=its.readings) for b, its in zip(own, parts[first[task]], strict=True)]
            parts[task] = own
        return parts

    def _batch(self, task: str, examples: Sequence[int], lengths: Sequence[int] = ()) -> Batch:
        alpha = self.config.r_drop
        if not alpha:
            return self.train[task].batch(examples, lengths)
        return replace(self.train[task].batch([*examples, *examples], lengths), r_drop=alpha)

    def _pieces(self, numbers: Sequence[int]) -> list[list[int]]:
        """These examples in the parts that they are accumulated from."""
        count = max(self.config.accumulate, 2 if self.engine.in_halves else 1)
        return pieces(numbers, max(1, math.ceil(len(numbers) / count)))

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
        self.engine.check(telemetry.outcomes)
        for step, losses in telemetry.losses_by_step():
            for task, loss in losses.items():
                self.movements[task].add((step - 1) / self.steps, loss)
        geometry = telemetry.geometry()
        progress = Progress(
            step=self.step,
            steps=self.steps,
            epoch=self.epoch,
            losses=telemetry.losses(),
            own_losses=telemetry.own_losses(),
            cosines=geometry.cosines,
            layer_cosines=geometry.layer_cosines,
            gradient_norms=geometry.norms,
            conflict=geometry.conflict,
            layer_conflicts=geometry.layer_conflicts,
            learning_rate=float(self.schedule.get_last_lr()[0]),
            examples_per_second=examples_per_second,
            loss_scale=float(self.engine.scaling.scale) if self.engine.scaling else None,
            skipped=self.skips.steps + (int(self.engine.scaling.skipped) if self.engine.scaling else 0),
        )
        telemetry.clear()
        return progress


def _first_alike(task: str, train: Mapping[str, Tokens], batch_sizes: Mapping[str, int]) -> str:
    """The first task that the encoder reads the same of, in batches of the same size: their examples are drawn together."""
    alike = (t for t, size in batch_sizes.items() if size == batch_sizes[task] and train[t].reads_as(train[task]))
    return next(alike)


def _described(step: int, parts: Mapping[str, Parts]) -> str:
    """A step's batch, as a message tells it."""
    told = [f"{task}: {part}" for task, of_task in parts.items() for part in of_task[:1]]
    each = ", the first part of each" if any(len(of_task) > 1 for of_task in parts.values()) else ""
    return f"step {step:,}, on a batch of {'; '.join(told)}{each}"
