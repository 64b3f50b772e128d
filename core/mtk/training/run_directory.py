"""What a run leaves behind: a directory that says what was run, how it went, and what came of it.

runs/20261123-171500-sum-cnn-concat-mlp/
    config.toml         everything that decides the result; `mtk run --config` repeats it
    metrics.jsonl       a line for each report and each evaluation, as they came
    model/              the best model, see `checkpoint.py`
    checkpoint/         where training is, to go on from there, see `resume.py`
    predictions/        TASK-dev-output.csv and TASK-test-output.csv, and TASK-dev-NAME-output.csv of a further set
    summary.json        the best scores, the number of steps, the time
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

import msgspec
from torch import Tensor

from mtk.data.formats import csv_of
from mtk.data.tokens import TokenizedSplit
from mtk.errors import UsageError
from mtk.events import Evaluation, Progress, Result, StageProgress
from mtk.files import write_file
from mtk.hookspecs import hookimpl
from mtk.model.multitask import Model, values
from mtk.plan import RunPlan
from mtk.task import Task
from mtk.training import checkpoint

try:
    import fcntl
except ImportError:  # where there are no such locks, as on Windows
    fcntl = None  # type: ignore[assignment]

LONGEST_NAME = 200  # of a directory that has no name given; file systems take 255
METRICS, LOCK = "metrics.jsonl", ".lock"


class RunDirectory:
    """A run's directory. It listens to the run and writes down what it hears; nothing is there before `create`."""

    def __init__(self, names: Iterable[Path], plan: RunPlan) -> None:
        """The directory will be the first of `names` that is not there yet."""
        self._names = names
        self._locked: IO[str] | None = None
        self.plan = plan

    @classmethod
    def choose(cls, out: str | Path | None, plan: RunPlan) -> RunDirectory:
        """`out`, or a new name under `runs/` of the time and the plan's parts. Raises UsageError if `out` is there
        already."""
        if out is not None:
            try:
                is_there = Path(out).exists()
            except OSError as error:
                raise UsageError(f"--out {out} cannot be a directory: {error.strerror}.") from None
            if is_there:
                raise UsageError(f"--out {out} exists already. Choose another name, or remove it first.")
            return cls([Path(out)], plan)
        name = "-".join([datetime.now().strftime("%Y%m%d-%H%M%S"), *plan.title])[:LONGEST_NAME]
        return cls(chain([Path("runs", name)], (Path("runs", f"{name}-{number}") for number in count(2))), plan)

    @classmethod
    def existing(cls, path: Path, plan: RunPlan) -> RunDirectory:
        """That of a run which goes on."""
        directory = cls([], plan)
        directory._at(path)
        return directory

    def create(self) -> None:
        """Make the directory and write the configuration. No two runs get one directory, however near they begin."""
        for path in self._names:
            self._at(path)
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:
                continue
            except OSError as error:
                raise UsageError(f"The run's directory {path} cannot be made: {error.strerror}.") from None
        else:
            raise UsageError(f"--out {self.path} exists already. Choose another name, or remove it first.")
        self._lock()
        self._write_config()

    def reopen(self, metrics: int) -> None:
        """Take it up again, with the first `metrics` bytes of what was told of the run: the rest is told again."""
        self._lock()
        self._write_config()
        if (self.path / METRICS).exists():
            os.truncate(self.path / METRICS, metrics)

    def remove(self) -> None:
        """Take back what was written."""
        shutil.rmtree(self.path)

    def close(self) -> None:
        """Let other processes write here again."""
        if self._locked:
            (self.path / LOCK).unlink(missing_ok=True)
            self._locked.close()
            self._locked = None

    @property
    def metrics(self) -> int:
        """The bytes of what was told of the run so far."""
        return (self.path / METRICS).stat().st_size if (self.path / METRICS).exists() else 0

    def _at(self, path: Path) -> None:
        self.path, self.model, self.checkpoint = path, path / "model", path / "checkpoint"

    def _write_config(self) -> None:
        write_file(self.path / "config.toml", msgspec.toml.encode(_without_none(msgspec.to_builtins(self.plan.config))))

    def _lock(self) -> None:
        """Keep other processes from writing here until this one ends, however it does. Raises UsageError if one does."""
        if fcntl is None:
            return
        locked = (self.path / LOCK).open("w")
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._locked = locked
        except OSError:
            locked.close()
            raise UsageError(f"Another process is at work in {self.path}. Wait until it ends.") from None

    @hookimpl
    def mtk_stage_progressed(self, progress: StageProgress) -> None:
        self._log("stage", progress)

    @hookimpl
    def mtk_progressed(self, progress: Progress) -> None:
        self._log("progress", progress)

    @hookimpl
    def mtk_evaluated(self, evaluation: Evaluation) -> None:
        self._log("evaluation", evaluation)

    @hookimpl
    def mtk_run_finished(self, result: Result) -> None:
        write_file(self.path / "summary.json", msgspec.json.format(_encode(result)))

    def keep(self, model: Model, predictions: Mapping[str, Tensor], dev: Mapping[str, TokenizedSplit]) -> None:
        """Write the best model so far, and what it predicts for the development sets."""
        checkpoint.save(model, self.plan.pooling, {name: t.head for name, t in self.plan.tasks.items()}, self.model)
        for name, predicted in predictions.items():
            task, _, further = name.partition("/")
            self.write_predictions(model.tasks[task], f"dev-{further}" if further else "dev", dev[name].ids, predicted)

    def write_predictions(self, task: Task, split: str, ids: list[str], predictions: Tensor) -> None:
        """One line for each example: CSV (RFC 4180), or, where the task says what the course CS224N calls a prediction, as
        the course reads them."""
        directory = self.path / "predictions"
        directory.mkdir(exist_ok=True)
        found = [task.kind.written(value) for value in values(task.kind, predictions)]
        if task.prediction is None:
            content = csv_of(["id", "prediction"], zip(ids, found, strict=True))
        else:
            lines = [f"{id} , {value} \n" for id, value in zip(ids, found, strict=True)]
            content = "".join([f"id \t {task.prediction} \n", *lines])
        write_file(directory / f"{task.name}-{split}-output.csv", content.encode())

    def _log(self, event: str, record: msgspec.Struct) -> None:
        with (self.path / METRICS).open("ab") as file:
            file.write(_encode({"event": event, **msgspec.structs.asdict(record)}) + b"\n")


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


def _without_none(value: Any) -> Any:
    """TOML has no null: what is not set is not written."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
