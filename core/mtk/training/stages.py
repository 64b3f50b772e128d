"""What comes before training: stages, in which the encoder learns from the tasks' own texts without labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from random import Random

import torch
from torch import Tensor, nn

from mtk.calling.failures import broken, call, tensor
from mtk.config import RunConfig
from mtk.data.batches import Batches
from mtk.data.split import TaskData
from mtk.data.tokens import Sequences
from mtk.engine.loss_scaling import LossScaling
from mtk.engine.processes import ALONE, Processes
from mtk.errors import NonFiniteError
from mtk.events import StageProgress
from mtk.host.part import Part
from mtk.model.multitask import Model
from mtk.stage import Stage
from mtk.training.dry_run import left_as_it_was
from mtk.training.nonfinite import update
from mtk.training.optimizer import build_stage_optimizer
from mtk.training.schedule import build_schedule
from mtk.training.telemetry import REPORT_SECONDS

TRIED = 2  # texts of the step that is tried before the run


class Stages:
    """The stages of a run, one after the other: `current` is the one to go on with, and None when all are over."""

    def __init__(
        self,
        parts: Sequence[Part],
        model: Model,
        data: Mapping[str, TaskData],
        config: RunConfig,
        recipe: tuple[Part, Part],
        *,
        scaling: LossScaling | None,
        report: Callable[[StageProgress], object],
        processes: Processes = ALONE,
    ) -> None:
        """`recipe` is the run's optimizer and schedule. Each stage makes a small step, which leaves everything as it was.
        Raises UsageError, naming the stage, for one that fails in it."""
        self._parts, self._model, self._config, self._recipe = parts, model, config, recipe
        self._scaling, self._report, self._processes = scaling, report, processes
        self.current: StageTrainer | None = None
        if parts:
            texts = list(dict.fromkeys(text for d in data.values() for text in d.train.each_text()))
            self._texts = Sequences([texts], model.encoder.tokenizer, config.max_length, model.device)
            for number in range(len(parts)):
                self._built(number).try_out()
            self.current = self._built(0)

    def go_to(self, number: int | None) -> StageTrainer | None:
        """Begin with another one, or with none."""
        self.current = None if number is None else self._built(number)
        return self.current

    def advance(self) -> None:
        """The current one is over. What is random after it does not depend on it."""
        assert self.current
        following = self.current.number + 1
        self.go_to(following if following < len(self._parts) else None)
        self._model.zero_grad(set_to_none=True)
        torch.manual_seed(self._config.seed)

    def tell(self) -> None:
        if self.current:
            self.current.tell()

    def _built(self, number: int) -> StageTrainer:
        return StageTrainer(
            number,
            self._parts[number],
            self._model,
            self._texts,
            self._config,
            self._recipe,
            scaling=self._scaling,
            report=self._report,
            processes=self._processes,
        )


class StageTrainer:
    """Trains an encoder on the loss of one stage."""

    def __init__(
        self,
        number: int,
        part: Part,
        model: Model,
        texts: Sequences,
        config: RunConfig,
        recipe: tuple[Part, Part],
        *,
        scaling: LossScaling | None,
        report: Callable[[StageProgress], object],
        processes: Processes = ALONE,
    ) -> None:
        self.number, self.name, self._model, self._texts = number, part.text, model, texts
        self._clip_norm, self._scaling, self._report = config.clip_norm, scaling, report
        self._processes = processes
        optimizer, schedule = recipe
        seed = f"{config.seed} stage {number}"
        self._seed = Random(seed).getrandbits(63)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed)
            offered = {"width": model.encoder.width, "tokenizer": model.encoder.tokenizer, "embeddings": self._embeddings}
            self.stage: Stage = part.build(**offered).to(model.device)
        self.batches = Batches(texts.lengths, min(part.framework["batch"], len(texts.lengths)), Random(seed))
        self.epochs: int = part.framework["epochs"]
        self.step, self.steps = 0, self.epochs * self.batches.per_pass
        self.optimizer = build_stage_optimizer(optimizer, model, self.stage, config, part.framework["lr"])
        self.schedule = build_schedule(schedule.build(), self.optimizer, config.warmup, self.steps)
        self._losses: list[Tensor] = []
        self._fit: list[Tensor] = []
        self._began = (0.0, 0)

    @property
    def _embeddings(self) -> nn.Parameter:
        weight: nn.Parameter = self._model.encoder.backbone.get_input_embeddings().weight  # type: ignore[operator]
        return weight

    def try_out(self) -> None:
        """A step that is not made. Raises UsageError, naming the stage, for what breaks its promise."""
        was_training, model = self._model.training, self._model
        with left_as_it_was(model):
            model.train()
            loss = self._loss(list(range(min(TRIED, len(self._texts.lengths)))))
            if not loss.requires_grad:
                raise broken(self.stage, "forward", "its forward promises a loss that a gradient goes back from")
            loss.backward()
        model.zero_grad(set_to_none=True)
        model.train(was_training)

    def train(
        self,
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
        between_steps: Callable[[], object] = lambda: None,
    ) -> None:
        """From where it is to its end; `undisturbed` is around each step. Raises NonFiniteError for a step without numbers,
        whose update is not made."""
        if self.step == 0:
            torch.manual_seed(self._seed)
        self._model.train()
        self.stage.train()
        reported = self._processes.now()
        self._began = time.perf_counter(), self.step
        while self.step < self.steps:
            with undisturbed():
                self._make_step(next(self.batches))
                self.step += 1
            if self._model.device.type == "cpu":
                self._check_finite()
            if self._processes.now() - reported >= REPORT_SECONDS:
                reported = self._processes.now()
                with undisturbed():
                    self.tell()
            if self.step < self.steps:
                between_steps()
        self.tell()

    def tell(self) -> None:
        """Report what is not reported yet."""
        if not self._losses:
            return
        self._check_finite()
        began, step = self._began
        texts = (self.step - step) * self.batches.size
        self._report(
            StageProgress(
                stage=self.name,
                number=self.number + 1,
                step=self.step,
                steps=self.steps,
                epoch=-(-self.step // self.batches.per_pass),
                loss=float(torch.stack(self._losses).mean()),
                learning_rate=float(self.schedule.get_last_lr()[0]),
                texts_per_second=texts / (time.perf_counter() - began),
                loss_scale=float(self._scaling.scale) if self._scaling else None,
                skipped=int(self._scaling.skipped) if self._scaling else 0,
            )
        )
        self._losses.clear()
        self._fit.clear()

    def _make_step(self, rows: Sequence[int]) -> None:
        scaling, trained = self._scaling, [p for group in self.optimizer.param_groups for p in group["params"]]
        own = self._processes.share({self.name: rows})[self.name]
        loss = torch.zeros((), device=self._model.device)
        if own:
            with self._processes.draws(self.number, self.step):
                loss = self._loss(own) * (len(own) / len(rows))
            (loss * scaling.scale if scaling else loss).backward()
        loss = loss.detach()
        self._processes.sum_gradients(trained, loss)
        parameters = [p for p in trained if p.grad is not None]
        sound = scaling.unscale([p.grad for p in parameters if p.grad is not None]) if scaling else None
        norm = nn.utils.clip_grad_norm_(parameters, self._clip_norm or torch.inf)
        finite = loss.isfinite() & norm.isfinite()
        update(self.optimizer, finite)
        self._losses.append(loss)
        self._fit.append(finite if scaling is None or sound is None else finite | scaling.update(loss.view(1), sound))
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()

    def _loss(self, rows: Sequence[int]) -> Tensor:
        with self._model.computing():
            loss = call(
                self.stage,
                "forward",
                inputs=self._texts.inputs(rows, 1),
                encode=self._model.encoder,
                embeddings=self._embeddings,
            )
        checked: Tensor = tensor(self.stage, "forward", loss, (), self._model.device)
        return checked.float()

    def _check_finite(self) -> None:
        if self._fit and not (fit := torch.stack(self._fit)).all():
            step = self.step - len(self._fit) + fit.tolist().index(False) + 1
            raise NonFiniteError(
                f"Stage {self.name}, step {step}: the loss or its gradient is no finite number, and the update was not "
                f"made. Try a lower rate, {self.name.partition(':')[0]}:lr=…, or --precision fp32."
            )
