"""The runs of a study, from whatever directories are named: those of runs, of sweeps, or of directories that hold runs.

for entry in read_entries([Path("runs/table1")]):
    entry.row, entry.seed, entry.run.best.average
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from mtk.config import RunConfig
from mtk.errors import DataError, UsageError
from mtk.files import is_directory, read_file
from mtk.host.registry import PACKAGE
from mtk.study.cells import is_sweep, read_plan
from mtk.study.record import RunRecord, is_run, read_run, runs_in

UNDECISIVE = (
    *("seed", "versions", "checkpoint_every", "cosines"),
    *("device", "recompute", "compile", "padding_free", "deterministic"),
)
"""The settings in which two runs may differ and still be of one row."""

LONGEST_FAILURE = 1 << 16  # bytes


@dataclass(frozen=True)
class Entry:
    """A run with its place in a table."""

    row: str  # runs of one row differ in nothing but their seeds
    seed: int
    run: RunRecord | None  # None for a cell of a sweep that has not begun
    failure: str = ""  # why a cell of a sweep failed
    sweep: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked for, with nothing left to guess; nothing where that is not known yet."""
        return decisive(self.run.config) if self.run and self.run.config else {}


def read_entries(paths: Sequence[Path]) -> list[Entry]:
    """The runs in these directories, in their order. A run alone is of the row that the settings name in which it differs
    from the others. Raises DataError where there is neither run nor sweep, UsageError for a path given twice."""
    entries: list[Entry] = []
    alone: list[RunRecord] = []
    for path in paths:
        if is_sweep(path):
            entries += read_sweep(path)
        elif is_run(path):
            alone.append(read_run(path))
        elif is_directory(path) and (found := runs_in(path)):
            alone += found
        else:
            raise DataError(f"{path} is neither a run nor a sweep, and holds no runs.")
    known = [entry.run.path.resolve() for entry in entries if entry.run] + [run.path.resolve() for run in alone]
    if twice := [path for path in known if known.count(path) > 1]:
        raise UsageError(f"{twice[0]} is given twice.")
    return _told_apart(entries) + of_runs(alone)


def read_sweep(path: Path) -> list[Entry]:
    """Every cell of a sweep, begun or not, in the order of its plan. Raises DataError."""
    found = []
    for cell in read_plan(path).cells:
        run = read_run(cell.path(path)) if is_run(cell.path(path)) else None
        file = cell.failure(path)
        failure = read_file(file, "a message", LONGEST_FAILURE).decode(errors="replace") if file.exists() else ""
        found.append(Entry(cell.row, cell.seed, run, failure, path))
    return found


def of_runs(runs: Sequence[RunRecord]) -> list[Entry]:
    """Runs that are of no sweep."""
    settings = [decisive(run.config) if run.config else {"run": str(run.path)} for run in runs]
    names = [", ".join(f"{name}={value}" for name, value in each.items()) for each in differences(settings)]
    return [
        Entry(name or run.name, run.config.seed if run.config else 0, run) for name, run in zip(names, runs, strict=True)
    ]


def decisive(config: RunConfig) -> dict[str, Any]:
    """The settings that decide a row, each by its name, and those by task as `heads.sst`; a part of mtk's own by its name
    alone."""
    flat: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(config).items():
        if name in UNDECISIVE:
            continue
        if isinstance(value, dict):
            flat |= {name if task == "*" else f"{name}.{task}": _short(each) for task, each in value.items()}
        else:
            flat[name] = _short(value)
    return flat


def differences(settings: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """What is not the same in all of them, of each, as text; a setting that one has not is left out there."""
    names = dict.fromkeys(name for each in settings for name in each)
    different = [name for name in names if any(each.get(name) != settings[0].get(name) for each in settings)]
    return [{name: as_text(each[name]) for name in different if each.get(name) not in (None, "", [])} for each in settings]


def as_text(value: Any) -> str:
    """A setting in a cell of a table."""
    if value in ("", [], {}):
        return "none"
    if isinstance(value, list):
        return "+".join(map(as_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _told_apart(entries: list[Entry]) -> list[Entry]:
    """The rows of several sweeps with their sweeps' names where two of them share one."""
    sweeps: dict[str, set[Path | None]] = {}
    for entry in entries:
        sweeps.setdefault(entry.row, set()).add(entry.sweep)
    shared = {row for row, of_row in sweeps.items() if len(of_row) > 1}
    return [replace(e, row=f"{e.sweep.name}: {e.row}") if e.sweep and e.row in shared else e for e in entries]


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value.removeprefix(f"{PACKAGE}/") if isinstance(value, str) else value
