"""One run as its directory tells it, finished or not. It is read and never changed, and needs no torch.

run = read_run(Path("runs/x"))
run.state                                   # done, interrupted, running, damaged
run.best.metrics["sst"]["accuracy"]         # of the evaluation that was kept
run.config.combiner, run.plan.tasks         # what was asked for, and what was made of it
run.told().progress[-1].cosines             # as it went, from metrics.jsonl
run.development()["sst"].predictions        # by example, of the model that was kept
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from mtk.config import RunConfig, check, read_config
from mtk.errors import DataError
from mtk.events import Evaluation, Plan, Progress, Result, StageProgress
from mtk.files import is_directory, read_file, read_json, standing
from mtk.locks import is_locked
from mtk.training.development import Answers, read_development

State = Literal["done", "interrupted", "running", "damaged"]

LARGEST = 1 << 26  # bytes of what is one JSON document
LARGEST_METRICS = 1 << 32

T = TypeVar("T")


@dataclass
class Told:
    """What a run told while it went on, each in its order."""

    progress: list[Progress] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    stages: list[StageProgress] = field(default_factory=list)


@dataclass(frozen=True)
class RunRecord:
    """A run. Of one that is damaged only `path` and `problem` are sure to be there."""

    path: Path
    state: State
    problem: str = ""  # what is wrong with one that is damaged
    config: RunConfig | None = None  # with nothing left to guess
    plan: Plan | None = None  # None of runs before 0.2
    result: Result | None = None  # None until it has ended
    modified: float = 0.0  # when something was last written of it, in seconds since 1970

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def best(self) -> Evaluation | None:
        """The evaluation of the model that is kept; None where there is none. Raises DataError for a damaged model card."""
        if self.result:
            return self.result.best
        card = standing(self.path / "model") / "model.json"
        return read_json(card, "a part of a model", LARGEST, _Card).evaluation if card.exists() else None

    def told(self) -> Told:
        """Everything in metrics.jsonl, if there is one. Raises DataError, with the line, for what no run wrote."""
        told, file = Told(), self.path / "metrics.jsonl"
        for number, record in _lines(file):
            match record.pop("event", None):
                case "progress":
                    told.progress.append(_as(record, Progress, file, number))
                case "evaluation":
                    told.evaluations.append(_as(record, Evaluation, file, number))
                case "stage":
                    told.stages.append(_as(record, StageProgress, file, number))
        return told

    def development(self) -> dict[str, Answers]:
        """What the model that is kept answered to each development set, by "task" or "task/NAME": labels, predictions,
        probabilities by example. Nothing in runs before 0.2. Raises DataError where it is not what was saved."""
        return read_development(self.path / "model")


class _Card(msgspec.Struct):
    """What is read of model.json here."""

    evaluation: Evaluation | None = None


def is_run(path: Path) -> bool:
    """Whether a run began in this directory."""
    return is_directory(path) and any((path / name).exists() for name in ("config.toml", "summary.json", "model"))


def read_run(path: Path) -> RunRecord:
    """What the directory of a run tells. It never raises for what stands in it: that is a damaged one. Raises DataError
    where there is no run."""
    if not is_run(path):
        raise DataError(f"{path} is no run: it has no config.toml. `mtk runs` lists those in runs/.")
    modified = max((_written(path / name) for name in ("summary.json", "metrics.jsonl", "config.toml")), default=0.0)
    try:
        config = check(read_config(path / "config.toml"), str(path / "config.toml"))
        plan = _read(path / "plan.json", "the plan of a run", Plan)
        result = _read(path / "summary.json", "what a run came to", Result)
    except DataError as error:
        return RunRecord(path, "damaged", str(error), modified=modified)
    state: State = "done" if result and not result.interrupted else "interrupted"
    if is_locked(path / ".lock"):
        state = "running"
    elif state == "done" and not standing(path / "model").is_dir():
        return RunRecord(path, "damaged", f"{path / 'model'} is not there any more.", config, plan, result, modified)
    return RunRecord(path, state, "", config, plan, result, modified)


def runs_in(directory: Path) -> list[RunRecord]:
    """The runs in a directory, not those below them: the newest last. Raises DataError where it cannot be read."""
    try:
        paths = sorted(path for path in directory.iterdir() if is_run(path))
    except OSError as error:
        raise DataError(f"{directory} cannot be read: {error.strerror}.") from None
    return sorted(map(read_run, paths), key=lambda run: run.modified)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read(path: Path, what: str, kind: type[T]) -> T | None:
    if not path.exists():
        return None
    try:
        return read_json(path, what, LARGEST, kind)
    except DataError:
        record = read_json(path, what, LARGEST, dict)
        return _as(record, kind, path)


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of a file of JSON lines, with their numbers; what a death left of the last one is none."""
    if not file.exists():
        return
    *lines, _unfinished = read_file(file, "what was told of a run", LARGEST_METRICS).split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{file}:{number}: this is not what a run wrote: {error}.") from None


def _as(record: dict[str, Any], kind: type[T], file: Path, line: int | None = None) -> T:
    """A record, of which numbers that are none were written as null. Raises DataError."""
    where = file if line is None else f"{file}:{line}"
    for tried in (record, _nan(record) if kind is Evaluation else _with_nan(record)):
        try:
            return msgspec.convert(tried, kind, dec_hook=lambda kind, value: kind(value))
        except msgspec.ValidationError as error:
            problem = error
    raise DataError(f"{where}: this is not what a run wrote: {problem}.") from None


def _with_nan(record: dict[str, Any]) -> dict[str, Any]:
    """The same, with NaN in the place of null in all that it holds."""
    return {
        key: {inner: _nan(value) for inner, value in held.items()} if isinstance(held, dict) else held
        for key, held in record.items()
    }


def _nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan(inner) for key, inner in value.items()}
    return float("nan") if value is None else value
