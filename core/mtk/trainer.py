"""The training loop: batches in, optimizer steps out, an evaluation after each epoch."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice
from random import Random

import torch
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

from mtk.combiner import Combiner
from mtk.config import BATCH_SIZE, RunConfig, per_task
from mtk.data.batches import shuffled
from mtk.data.tokens import Batch, TokenizedSplit
from mtk.events import Progress
from mtk.gradients import Engine, Outcome, Parts
from mtk.model import Model
from mtk.promise import calling
from mtk.recording import LENGTHS, RecordedSteps, Step

# Losses are fetched from the device so many seconds apart; in between, nothing waits for it.
REPORT_SECONDS = 1.0


class Trainer:
    """Trains a model on tokenized training sets, `train[task]`. `report` gets a Progress every second or so. `record` is
    whether steps are recorded as CUDA graphs."""

    def __init__(
        self,
        model: Model,
        combiner: Combiner,
        train: Mapping[str, TokenizedSplit],
        config: RunConfig,
        report: Callable[[Progress], object],
        record: bool = False,
    ) -> None:
        self.model, self.combiner, self.train, self.config = model, combiner, train, config
        self.report = report
        self.sizes = {task: per_task(config.batch_size, task, BATCH_SIZE) for task in train}
        self.turns = combiner.turns()
        self.steps_per_epoch = self._rounds() * len(self.turns)
        self.steps = min(config.epochs * self.steps_per_epoch, config.steps or sys.maxsize)
        self.epoch_count = math.ceil(self.steps / self.steps_per_epoch)
        self.step = self.epoch = 0
        self.examples = 0
        self.seconds = 0.0
        self.engine = Engine(model, combiner, clip_norm=config.clip_norm)
        self.optimizer = _optimizer(model, combiner, config, capturable=record)
        self._step: Step = RecordedSteps(self._make_step) if record else self._make_step
        self.recorded = record
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, round(config.warmup * self.steps), self.steps)
        self._outcomes: list[Outcome] = []

    def epochs(self) -> Iterator[int]:
        """Train epoch after epoch, and give each one's number when it is done."""
        streams = {
            task: shuffled(tokens.lengths, self.sizes[task], Random(f"{self.config.seed} {task}"))
            for task, tokens in self.train.items()
        }
        for epoch in range(1, self.epoch_count + 1):
            self.epoch = epoch
            self._epoch(streams)
            yield epoch

    def _epoch(self, streams: Mapping[str, Iterator[list[int]]]) -> None:
        self.model.train()
        began = reported = time.perf_counter()
        seen = 0
        for turn in islice(cycle(self.turns), min(self.steps_per_epoch, self.steps - self.step)):
            batches = {task: self._parts(task, next(streams[task])) for task in turn}
            self._outcomes.append(self.optimize(batches))
            self.step += 1
            seen += sum(len(part) for parts in batches.values() for part in parts)
            now = time.perf_counter()
            if now - reported >= REPORT_SECONDS:
                reported = now
                self.report(self._progress(seen / (now - began)))
        if self._outcomes:
            self.report(self._progress(seen / (time.perf_counter() - began)))
        self.seconds += time.perf_counter() - began
        self.examples += seen

    def optimize(self, batches: Mapping[str, Parts]) -> Outcome:
        """One optimizer step of one turn, on a batch of each of its tasks."""
        outcome = self._step(batches)
        self.schedule.step()
        with calling(self.combiner, "after_step"):
            self.combiner.after_step(lambda: self.engine.losses(batches))
        return outcome

    def _make_step(self, batches: Mapping[str, Parts]) -> Outcome:
        outcome = self.engine.backward(batches)
        self.optimizer.step()
        self.combiner.zero_grad(set_to_none=True)
        self.engine.release()
        return outcome

    def _parts(self, task: str, examples: list[int]) -> list[Batch]:
        size = math.ceil(len(examples) / self.config.accumulate)
        multiple = LENGTHS if self.recorded else 1
        return [self.train[task].batch(examples[i : i + size], multiple) for i in range(0, len(examples), size)]

    def _rounds(self) -> int:
        """How often every task has its turn in an epoch."""
        passes = [math.ceil(len(tokens) / self.sizes[task]) for task, tokens in self.train.items()]
        match self.config.epoch:
            case "longest":
                return max(passes)
            case "shortest":
                return min(passes)
            case rounds:
                return rounds

    def _progress(self, examples_per_second: float) -> Progress:
        self.engine.check(self._outcomes)
        losses: dict[str, list[Tensor]] = {}
        cosines: dict[str, list[Tensor]] = {}
        for outcome in self._outcomes:
            for task, loss in zip(outcome.tasks, outcome.losses, strict=True):
                losses.setdefault(task, []).append(loss)
            if outcome.gramian is not None:
                lengths = outcome.gramian.diagonal().clamp_min(torch.finfo(outcome.gramian.dtype).tiny).sqrt()
                cosine = outcome.gramian / torch.outer(lengths, lengths)
                for i, one in enumerate(outcome.tasks):
                    for j, other in enumerate(outcome.tasks[:i]):
                        cosines.setdefault(f"{other}/{one}", []).append(cosine[i, j])
        self._outcomes.clear()
        return Progress(
            step=self.step,
            steps=self.steps,
            epoch=self.epoch,
            losses={task: torch.stack(values).mean().item() for task, values in losses.items()},
            cosines={pair: torch.stack(values).mean().item() for pair, values in cosines.items()},
            learning_rate=float(self.schedule.get_last_lr()[0]),
            examples_per_second=examples_per_second,
        )


def _optimizer(model: Model, combiner: Combiner, config: RunConfig, *, capturable: bool) -> torch.optim.AdamW:
    """AdamW, fused. Matrices decay; vectors (biases, normalisation) and the combiner's parameters do not. A `capturable` one
    can be recorded: its learning rates are on the device, where a replay reads them."""
    groups = []
    for module, rate, decay in (
        (model.encoder, config.learning_rate, config.weight_decay),
        (model.heads, config.head_learning_rate, config.weight_decay),
        (combiner, config.head_learning_rate, 0.0),
    ):
        parameters = [p for p in module.parameters() if p.requires_grad]
        groups.append({"params": [p for p in parameters if p.ndim > 1], "lr": rate, "weight_decay": decay})
        groups.append({"params": [p for p in parameters if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    if capturable:
        for group in groups:
            group["lr"] = torch.tensor(group["lr"], device=model.device)
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True, capturable=capturable)
