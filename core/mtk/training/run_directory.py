"""What a run leaves behind: a directory that says what was run, how it went, and what came of it.

runs/20261123-171500-sum-cnn-concat-mlp/
    config.toml         everything that decides the result; `mtk run --config` repeats it
    plan.json           what was run: tasks, sizes, parts, device, as `mtk.Plan` has it
    metrics.jsonl       a line for each report and each evaluation, as they came
    model/              the best model, see `checkpoint.py`
    checkpoint/         where training is, to go on from there, see `resume.py`
    predictions/        TASK-dev-output.csv and TASK-test-output.csv, and TASK-dev-NAME-output.csv of a further set
    summary.json        the best scores, the number of steps, the time
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from torch import Tensor

from mtk.config import sealed
from mtk.data.formats import csv_of
from mtk.data.tokens import TokenizedSplit
from mtk.errors import DataError, MtkError, UsageError
from mtk.events import Evaluation, Plan, Progress, Result, StageProgress
from mtk.files import append, flush, read_file, remove, settle, standing, unwritten, write_directories, write_file
from mtk.hookspecs import hookimpl
from mtk.locks import Lock
from mtk.model.multitask import Model, values, written
from mtk.plan import RunPlan
from mtk.task import Task
from mtk.training import checkpoint
from mtk.training.development import as_arrays
from mtk.training.evaluation import Evaluated

LONGEST_NAME = 200  # of a directory that has no name given; file systems take 255
METRICS, SUMMARY, PLAN, LOCK = "metrics.jsonl", "summary.json", "plan.json", ".lock"
LARGEST_METRICS = 1 << 32  # bytes; a month has some 10^9

logger = logging.getLogger("mtk")


class Told(NamedTuple):
    """What `metrics.jsonl` held at some moment."""

    bytes: int
    checksum: str  # SHA-256 of them


class RunDirectory:
    """A run's directory. It listens to the run and writes down what it hears; nothing is there before `create`. Where it
    cannot be written, that is an MtkError."""

    def __init__(self, names: Iterable[Path], plan: RunPlan) -> None:
        """The directory will be the first of `names` that is not there yet."""
        self._names = names
        self._held: Lock | None = None
        self._told, self._bytes = hashlib.sha256(), 0
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
        """That of a run which goes on; no other process writes there from now on. Raises UsageError where one does."""
        directory = cls([], plan)
        directory.at(path)
        directory._lock()
        return directory

    @classmethod
    def of_another(cls, path: Path | None, plan: RunPlan) -> RunDirectory:
        """One in which another process of the run writes; where it is, is said later if `path` is None."""
        directory = cls([], plan)
        if path:
            directory.at(path)
        return directory

    def create(self) -> None:
        """Make the directory and write the configuration. No two runs get one directory, however near they begin."""
        for path in self._names:
            self.at(path)
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:
                continue
            except OSError as error:
                raise MtkError(f"The run's directory {path} cannot be made: {error.strerror}.") from None
        else:
            raise UsageError(f"--out {self.path} exists already. Choose another name, or remove it first.")
        try:
            self._lock()
            self._write_config()
        except BaseException:
            self.remove()
            raise

    def reopen(self, told: Told | None) -> None:
        """Take it up again, with what was `told` of the run by then: the rest is told again. Raises DataError where that is
        not there any more."""
        try:
            settle([self.checkpoint])
            settle([self.model, self.predictions])
        except OSError as error:
            raise unwritten(self.path, error) from error
        self._write_config()
        if os.path.lexists(self.path / METRICS):
            self._take_up(told or Told(0, hashlib.sha256().hexdigest()))
        elif told and told.bytes:
            logger.warning("%s is not there any more: what was told of the run until now is lost", self.path / METRICS)

    def _take_up(self, told: Told) -> None:
        file = self.path / METRICS
        if file.is_symlink():
            raise DataError(f"{file} is a link, which a run does not follow. Put the file in its place, or remove it.")
        content = read_file(file, "what was told of a run", LARGEST_METRICS)[: told.bytes]
        if len(content) < told.bytes or (told.checksum and hashlib.sha256(content).hexdigest() != told.checksum):
            raise DataError(
                f"{file} is not what was saved: it was truncated or edited. Restore it, or remove it to go on without it."
            )
        try:
            os.truncate(file, told.bytes)
        except OSError as error:
            raise unwritten(file, error) from error
        self._told.update(content)
        self._bytes = told.bytes

    @property
    def holds_something(self) -> bool:
        """Whether there is a model or a checkpoint, to be used or gone on from."""
        return any(standing(path).exists() for path in (self.model, self.checkpoint))

    def remove(self) -> None:
        """Take back what was written, as far as that can be done."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Let other processes write here again."""
        if self._held:
            self._held.release()
            self._held = None

    def told(self) -> Told:
        """What `metrics.jsonl` holds by now, on the disk."""
        if self._bytes:
            try:
                flush(self.path / METRICS)
            except OSError as error:
                raise unwritten(self.path / METRICS, error) from error
        return Told(self._bytes, self._told.hexdigest())

    def kept(self) -> Evaluation | None:
        """The evaluation of the model that is kept here; None where there is none, or it was not evaluated. Raises
        DataError for a model that is damaged."""
        return checkpoint.evaluation_of(self.model) if standing(self.model).exists() else None

    def at(self, path: Path) -> None:
        """It is there."""
        self.path = path
        self.model, self.predictions, self.checkpoint = path / "model", path / "predictions", path / "checkpoint"

    def _write_config(self) -> None:
        write_file(self.path / "config.toml", sealed(self.plan.config))

    def _lock(self) -> None:
        """Keep other processes from writing here until this one ends, however it does. Raises UsageError if one does."""
        self._held = Lock.take(self.path / LOCK)
        if self._held is None:
            raise UsageError(f"Another process is at work in {self.path}. Wait until it ends.")

    @hookimpl
    def mtk_run_started(self, plan: Plan) -> None:
        write_file(self.path / PLAN, msgspec.json.format(_encode(plan)))

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
        write_file(self.path / SUMMARY, msgspec.json.format(_encode(result)))

    def keep(
        self,
        model: Model,
        evaluation: Evaluation | None = None,
        found: Evaluated | None = None,
        dev: Mapping[str, TokenizedSplit] | None = None,
        *,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write the best model so far, and what it predicts for the development sets, both or neither. `weights` are the
        encoder's state, where that is sharded."""
        heads = {name: t.head for name, t in self.plan.tasks.items()}
        files: dict[str, bytes] = {}
        answers: dict[str, Any] = {}
        for name, tokens in (dev or {}).items():
            assert found
            task, _, further = name.partition("/")
            split = f"dev-{further}" if further else "dev"
            predicted, likely = found.predictions[name], found.probabilities.get(name)
            files[f"{task}-{split}-output.csv"] = _predicted(model.tasks[task], tokens.ids, predicted)
            answers |= as_arrays(name, tokens.ids, tokens.exact_labels, predicted, likely)

        def fill(directory: Path) -> None:
            for name, content in files.items():
                (directory / name).write_bytes(content)

        remove(self.path / SUMMARY)  # it is not of this model
        fill_model = partial(checkpoint.fill, model, self.plan.pooling, heads, evaluation, answers=answers, weights=weights)
        write_directories({self.model: fill_model, **({self.predictions: fill} if files else {})})

    def write_predictions(self, task: Task, split: str, ids: list[str], predictions: Tensor) -> None:
        """One line for each example: CSV (RFC 4180), or, where the task says what the course CS224N calls a prediction, as
        the course reads them."""
        try:
            self.predictions.mkdir(exist_ok=True)
        except OSError as error:
            raise unwritten(self.predictions, error) from error
        write_file(self.predictions / f"{task.name}-{split}-output.csv", _predicted(task, ids, predictions))

    def _log(self, event: str, record: msgspec.Struct) -> None:
        line = _encode({"event": event, **msgspec.structs.asdict(record)}) + b"\n"
        append(self.path / METRICS, line)
        self._told.update(line)
        self._bytes += len(line)


def _predicted(task: Task, ids: list[str], predictions: Tensor) -> bytes:
    found = written(task.kind, values(task.kind, predictions))
    if task.prediction is None:
        return csv_of(["id", "prediction"], zip(ids, found, strict=True)).encode()
    lines = [f"{id} , {value} \n" for id, value in zip(ids, found, strict=True)]
    return "".join([f"id \t {task.prediction} \n", *lines]).encode()


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
