"""All that it takes to go on with a run as if it had never stopped, written between two steps.

RUN/checkpoint/state.json              where training is: step, places in the tasks' orders, the best evaluation so far
RUN/checkpoint/state.safetensors       model, optimizer, combiner, the states of the random generators
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import safetensors.torch
import torch
from torch import Tensor, nn

from mtk.data.batches import Place
from mtk.engine.processes import ALONE, Processes
from mtk.engine.sharding import gathered, sharded_as, state_sharded_as
from mtk.errors import DataError
from mtk.events import Evaluation
from mtk.files import digest, is_as_saved, read_sealed_json, sealed_json, standing, write_directory
from mtk.training.learned import Movement
from mtk.training.nonfinite import Skips
from mtk.training.run_directory import Told
from mtk.training.stages import Stages, StageTrainer
from mtk.training.trainer import Trainer

CARD, TENSORS = "state.json", "state.safetensors"
LARGEST = 1 << 26  # bytes of the card
CPU, CUDA = "random.cpu", "random.cuda"


class StagePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a run is before training begins."""

    number: int  # of the stage, from 0
    step: int
    place: Place  # of its batches


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a run is."""

    format: Literal[2, 3] = 3  # which is sealed, and 2 was not
    step: int
    evaluated: int  # steps made at the last evaluation
    examples: int
    seconds: float
    places: dict[str, Place]  # of each task's batches
    scalars: dict[str, float]  # what the optimizer keeps beside its tensors
    best: Evaluation | None
    metrics: int  # bytes of metrics.jsonl that were written by then
    metrics_checksum: str = ""  # SHA-256 of them
    skips: Skips = msgspec.field(default_factory=Skips)
    movements: dict[str, Movement] = {}
    listeners: dict[str, Any]  # a listener as it was asked for -> what its `state_dict` gave
    stage: StagePlace | None = None  # None where all are over
    checksum: str  # SHA-256 of the tensors' file

    @property
    def told(self) -> Told:
        """What `metrics.jsonl` held by then."""
        return Told(self.metrics, self.metrics_checksum)


class Due:
    """Whether a checkpoint is due: every so many steps, "100", or minutes, "10m"; never for "0". For all processes alike."""

    def __init__(self, every: str, processes: Processes = ALONE) -> None:
        self._now = processes.now
        self._by_time = every.endswith("m")
        self._every = int(every.removesuffix("m")) * (60 if self._by_time else 1)
        self._last = self._now()

    @property
    def ever(self) -> bool:
        return self._every > 0

    def __call__(self, step: int) -> bool:
        if not self.ever:
            return False
        if not self._by_time:
            return step % self._every == 0
        return self._now() - self._last >= self._every

    def done(self) -> None:
        self._last = self._now()


Tensors: TypeAlias = dict[str, Tensor]
"""Those of modules, of the optimizer and of random generators, by name."""


def tensors_of(trainer: Trainer, stages: Stages | None = None) -> Tensors:
    """What `save_state` writes of them, which all processes take part in: the first one has what is sharded as a whole."""
    stage = stages.current if stages else None
    tensors = _tensors(trainer)
    if stage:
        tensors |= {f"stage.{name}": value for name, value in stage.stage.state_dict().items()}
    for name, state in _optimizer_states(stage.optimizer if stage else trainer.optimizer).items():
        tensors |= {f"optimizer.{name}.{key}": v.detach() for key, v in state.items() if isinstance(v, Tensor)}
    return gathered(tensors, trainer.processes)


def save_state(
    trainer: Trainer,
    directory: Path,
    best: Evaluation | None,
    told: Told,
    listeners: Mapping[str, Any],
    stages: Stages | None = None,
    tensors: Tensors | None = None,
) -> None:
    """Write where the run is, in a stage or in `trainer`, to `directory`, in place of what is there; with `tensors`, where
    all processes have taken those already. Raises MtkError where it cannot be written."""
    stage = stages.current if stages else None
    tensors = tensors_of(trainer, stages) if tensors is None else tensors
    scalars = {
        f"optimizer.{name}.{key}": float(value)
        for name, state in _optimizer_states(stage.optimizer if stage else trainer.optimizer).items()
        for key, value in state.items()
        if value is not None and not isinstance(value, Tensor)
    }

    def fill(partial: Path) -> None:
        # each tensor's own memory: safetensors refuses what is shared, and a view would bring all that it is a view of
        safetensors.torch.save_file({k: v.cpu().clone().contiguous() for k, v in tensors.items()}, partial / TENSORS)
        state = State(
            step=trainer.step,
            evaluated=trainer.evaluated,
            examples=trainer.examples,
            seconds=trainer.seconds,
            places={task: batches.place for task, batches in trainer.batches.items()},
            scalars=scalars,
            best=best,
            metrics=told.bytes,
            metrics_checksum=told.checksum,
            skips=trainer.skips,
            movements=trainer.movements,
            listeners=dict(listeners),
            stage=StagePlace(stage.number, stage.step, stage.batches.place) if stage else None,
            checksum=digest(partial / TENSORS),
        )
        (partial / CARD).write_bytes(sealed_json(state))

    write_directory(directory, fill)


def read_state_of_all(directory: Path, processes: Processes) -> State | None:
    """The same in every process. Raises DataError where one does not see what the first one sees."""
    read = processes.together(lambda: read_state(directory))
    if unfit := [rank for rank, state in enumerate(read) if (state and state.checksum) != (read[0] and read[0].checksum)]:
        raise DataError(
            f"Process {unfit[0]} does not find in {directory} what process 0 finds there: a run that several machines go on "
            f"with is in a directory that all of them have."
        )
    return read[processes.rank]


def read_state(directory: Path) -> State | None:
    """What `save_state` wrote; None where there is nothing. Raises DataError for what it did not write."""
    directory = standing(directory)
    if not directory.exists():
        return None
    card, file = directory / CARD, directory / TENSORS
    state, is_sealed = read_sealed_json(card, "a checkpoint", LARGEST, State)
    for path, is_whole in ((card, is_sealed or state.format == 2), (file, is_as_saved(file, state.checksum))):
        if not is_whole:
            raise DataError(
                f"{path} is not what was saved: it was truncated or edited. Remove {directory} to begin the run again."
            )
    return state


def restore(trainer: Trainer, directory: Path, state: State, stages: Stages | None = None) -> None:
    """Let `trainer` and `stages`, which are at the beginning of the same run, be where they were. Raises DataError where it
    is another."""
    tensors = safetensors.torch.load_file(standing(directory) / TENSORS)
    try:
        stage = stages.go_to(state.stage.number if state.stage else None) if stages else None
        _restore_modules(trainer, stage, tensors)
        _restore_optimizer((stage or trainer).optimizer, tensors, state)
        if stage and state.stage:
            stage.step = state.stage.step
            stage.batches.go_to(state.stage.place)
            _restore_rates(stage)
        for task, place in state.places.items():
            trainer.batches[task].go_to(place)
    except (KeyError, IndexError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{directory} does not fit the run that its config.toml describes: {error}") from error
    trainer.step, trainer.evaluated = state.step, state.evaluated
    trainer.examples, trainer.seconds, trainer.skips = state.examples, state.seconds, state.skips
    trainer.movements |= state.movements
    trainer.engine.go_to(state.step)
    if not stage:
        _restore_rates(trainer)
    torch.set_rng_state(tensors[CPU])
    if CUDA in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors[CUDA], trainer.model.device)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Those of modules and generators, by name."""
    tensors = {f"model.{name}": value for name, value in trainer.model.state_dict().items()}
    tensors |= {f"combiner.{name}": value for name, value in trainer.combiner.state_dict().items()}
    tensors[CPU] = torch.get_rng_state()
    if trainer.model.device.type == "cuda":
        tensors[CUDA] = torch.cuda.get_rng_state(trainer.model.device)
    if trainer.engine.scaling:
        tensors |= {f"scaling.{name}": value for name, value in trainer.engine.scaling.state_dict().items()}
    if trainer.average:
        tensors |= {f"average.{name}": value for name, value in trainer.average.model.state_dict().items()}
    return tensors


def _restore_modules(trainer: Trainer, stage: StageTrainer | None, tensors: Mapping[str, Tensor]) -> None:
    modules: dict[str, nn.Module] = {"model.": trainer.model, "combiner.": trainer.combiner}
    if stage:
        modules["stage."] = stage.stage
    if trainer.engine.scaling:
        modules["scaling."] = trainer.engine.scaling
    if trainer.average:
        modules["average."] = trainer.average.model
    for prefix, module in modules.items():
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        module.load_state_dict(state_sharded_as(state, module.state_dict()))


def _optimizer_states(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Any]]:
    """What the optimizer keeps of each parameter, by the number of its group and its place in it."""
    return {
        f"{number}.{place}": optimizer.state.setdefault(parameter, {})
        for number, group in enumerate(optimizer.param_groups)
        for place, parameter in enumerate(group["params"])
    }


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], state: State) -> None:
    groups = optimizer.param_groups
    for name, own in _optimizer_states(optimizer).items():
        number, place = map(int, name.split("."))
        parameter = groups[number]["params"][place]
        prefix = f"optimizer.{name}."
        for key, value in tensors.items():
            if key.startswith(prefix):
                value = sharded_as(value, parameter) if value.shape == parameter.shape else value
                own[key.removeprefix(prefix)] = value.to(parameter.device)
        own.update({key.removeprefix(prefix): value for key, value in state.scalars.items() if key.startswith(prefix)})


def _restore_rates(trainer: Trainer | StageTrainer) -> None:
    """The learning rates of this step. They are those of the schedule, which may be longer than it was."""
    schedule = trainer.schedule
    schedule.last_epoch, schedule._step_count = trainer.step, trainer.step + 1
    rates = [base * factor(trainer.step) for base, factor in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)]
    for group, rate in zip(trainer.optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(float(rate))
        else:
            group["lr"] = rate
    schedule._last_lr = rates
