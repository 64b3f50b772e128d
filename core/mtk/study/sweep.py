"""A sweep at work: cells are claimed, begun or gone on with, and told of; what is done stays done.

Any number of processes may work on one directory, one after the other or at once: a cell is run by whoever holds its lock,
and a lock goes with its process. A process that was killed leaves a run to go on with.
"""

from __future__ import annotations

import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from mtk.config import check
from mtk.errors import MtkError, UsageError
from mtk.events import Evaluation, Plan, Preparation, Progress, Result
from mtk.files import is_directory, remove, write_file
from mtk.hookspecs import hookimpl
from mtk.host.registry import Registry
from mtk.locks import Lock, is_locked
from mtk.plan import plan_run
from mtk.study.cells import SWEEP, Cell, SweepPlan, is_sweep, read_plan
from mtk.study.record import RunRecord, is_run, read_run

CellState = Literal["done", "interrupted", "running", "failed", "waiting"]


@dataclass(frozen=True)
class Begun:
    """A cell that begins, or goes on."""

    goes_on: bool


@dataclass(frozen=True)
class Left:
    """A cell that is left to others, or is done already."""

    state: Literal["done", "running"]
    run: RunRecord | None = None


@dataclass(frozen=True)
class Failed:
    """A cell that came to nothing."""

    message: str


@dataclass(frozen=True)
class Lost:
    """A cell whose process is gone; another one goes on with it."""


Told: TypeAlias = Begun | Left | Failed | Lost | Preparation | Plan | Progress | Evaluation | Result
"""What is told of a cell, in this order."""

Tell: TypeAlias = Callable[[Cell, Told], object]


def precision_on(device: str) -> str:
    """The precision of cells on such a device that leave it open. Raises UsageError for what this machine lacks."""
    from mtk.engine.device import choose_device, choose_precision

    return choose_precision("auto", choose_device(device))


def open_sweep(
    directory: Path, cells: Sequence[Cell], precision: Callable[[str], str] = precision_on
) -> tuple[list[Cell], list[str]]:
    """Record a sweep, or compare it with what is recorded, and add the cells that are new: those that were asked for, as
    they are recorded, and a line for what somebody should know. Two processes may do so at once. `precision` is asked for
    that of cells on a device that leave it open.

    Raises UsageError where a cell of the same name is another run, where a setting does not fit, and for a directory that is
    something else. Nothing is written then."""
    if not is_sweep(directory) and is_directory(directory) and any(p.name != ".lock" for p in directory.iterdir()):
        raise UsageError(f"--out {directory} is there and is no sweep. Choose another name, or remove it first.")
    _check_plans(cells)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MtkError(f"The sweep's directory {directory} cannot be made: {error.strerror}.") from None
    lock = _wait_for(directory)
    try:
        known = read_plan(directory).cells if is_sweep(directory) else []
        cells = _in_one_precision(cells, known, precision)
        new, notes = _added(directory, known, cells)
        if new or not known:
            plan = SweepPlan([*known, *new])
            write_file(directory / SWEEP, msgspec.json.format(msgspec.json.encode(plan)))
        for name in ("cells", "claims", "failures"):
            (directory / name).mkdir(exist_ok=True)
    finally:
        lock.release()
    return cells, notes


def state_of(sweep: Path, cell: Cell) -> CellState:
    """How far a cell is."""
    if is_locked(cell.claim(sweep)):
        return "running"
    if is_done(sweep, cell):
        return "done"
    if cell.failure(sweep).exists():
        return "failed"
    return "interrupted" if is_run(cell.path(sweep)) else "waiting"


def is_done(sweep: Path, cell: Cell) -> bool:
    """Whether its run came to its end."""
    path = cell.path(sweep)
    return (path / "summary.json").exists() and read_run(path).state == "done"


def work(
    sweep: Path,
    cells: Iterable[Cell],
    tell: Tell,
    *,
    listeners: Callable[[Cell], Iterable[object]] = lambda cell: (),
    goes_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Run the cells that are not done and that nobody is at work on, one after the other; what they share is loaded once. A
    cell that fails is told, and the others go on. Whether it came to the end: a signal, or `goes_on`, ends it before."""
    from mtk.training.shared import Shared

    shared, registry = Shared(), Registry()
    for cell in cells:
        if not goes_on():
            return False
        claim = Lock.take(cell.claim(sweep))
        if claim is None:
            tell(cell, Left("running"))
            continue
        try:
            if is_done(sweep, cell):
                tell(cell, Left("done", read_run(cell.path(sweep))))
                continue
            how: dict[str, Any] = {"shared": shared, "registry": registry}
            if not _run(sweep, cell, tell, [*listeners(cell), _Ear(cell, tell)], how):
                return False
        finally:
            claim.release()
    return True


def _run(sweep: Path, cell: Cell, tell: Tell, listeners: Iterable[object], how: dict[str, Any]) -> bool:
    """Run a cell, from where it is. Whether the sweep goes on: not where a signal ended the run."""
    from mtk.pipeline import run

    path = cell.path(sweep)
    try:
        begun = is_run(path)
        tell(cell, Begun(begun))
        if begun:
            result = run(resume=path, listeners=listeners, **how)
        else:
            _clear(path)
            result = run(check(cell.settings), out=path, listeners=listeners, **how)
        if not result.interrupted:
            remove(cell.failure(sweep))
        return not result.interrupted
    except MtkError as error:
        message = told = str(error)
    except Exception as error:
        message, told = f"{type(error).__name__}: {error}", traceback.format_exc()
    with suppress(MtkError):  # of a full disk, which the message tells of already
        write_file(cell.failure(sweep), told.encode("utf-8", "surrogateescape"))
    tell(cell, Failed(message))
    return True


class _Ear:
    """Tells of a cell what its run tells."""

    def __init__(self, cell: Cell, tell: Tell) -> None:
        self._cell, self._tell = cell, tell

    @hookimpl
    def mtk_run_preparing(self, preparation: Preparation) -> None:
        self._tell(self._cell, preparation)

    @hookimpl
    def mtk_run_started(self, plan: Plan) -> None:
        self._tell(self._cell, plan)

    @hookimpl
    def mtk_progressed(self, progress: Progress) -> None:
        self._tell(self._cell, progress)

    @hookimpl
    def mtk_evaluated(self, evaluation: Evaluation) -> None:
        self._tell(self._cell, evaluation)

    @hookimpl
    def mtk_run_finished(self, result: Result) -> None:
        self._tell(self._cell, result)


def _clear(path: Path) -> None:
    """Remove what a death left of a run that had not begun: a directory without a configuration."""
    if is_directory(path):
        shutil.rmtree(path, ignore_errors=True)


def _check_plans(cells: Sequence[Cell]) -> None:
    """Whether every row is a run that could begin. Raises UsageError and DataError, with the row."""
    registry, seen = Registry(), set[str]()
    for cell in cells:
        if cell.row in seen:
            continue
        seen.add(cell.row)
        try:
            plan_run(check(cell.settings), registry)
        except MtkError as error:
            raise type(error)(f"Row '{cell.row}': {error}") from error


def _in_one_precision(cells: Sequence[Cell], known: Sequence[Cell], precision: Callable[[str], str]) -> list[Cell]:
    """Cells whose precision is chosen: of those that leave it open, one for all on the same device, whatever process runs
    them and when."""
    chosen = {str(cell.settings["device"]): cell.settings["precision"] for cell in reversed(known)}
    found = []
    for cell in cells:
        if cell.settings["precision"] == "auto":
            device = str(cell.settings["device"])
            if device not in chosen:
                chosen[device] = precision(device)
            cell = msgspec.structs.replace(cell, settings={**cell.settings, "precision": chosen[device]})
        found.append(cell)
    return found


def _added(directory: Path, known: Sequence[Cell], cells: Sequence[Cell]) -> tuple[list[Cell], list[str]]:
    """The cells that are not recorded yet, and what is to be said. Raises UsageError where one of the same name is another
    run."""
    recorded = {cell.directory: cell for cell in known}
    for cell in cells:
        before = recorded.get(cell.directory)
        if before and before.settings != cell.settings:
            changed = [name for name in cell.settings if cell.settings[name] != before.settings.get(name)]
            changed += [name for name in before.settings if name not in cell.settings]
            name = changed[0]
            raise UsageError(
                f"{directory} holds row '{before.row}' with {name} = {before.settings.get(name, 'nothing')}, and it is "
                f"{cell.settings.get(name, 'nothing')} now. Give the row another name, or the sweep another --out."
            )
    new = [cell for cell in cells if cell.directory not in recorded]
    asked = {cell.directory for cell in cells}
    notes = []
    if known and new:
        notes.append(f"{directory} had {_count(len(known), 'cell')}; {_count(len(new), 'cell')} more")
    if left := [cell for cell in known if cell.directory not in asked]:
        rows = list(Counter(cell.row for cell in left))
        shown = ", ".join(rows[:3]) + (", …" if len(rows) > 3 else "")
        notes.append(f"{_count(len(left), 'cell')} of {directory} not asked for now: {shown}")
    return new, notes


def _wait_for(directory: Path) -> Lock:
    """The lock of the plan, which nobody holds for long."""
    for _ in range(50):
        if lock := Lock.take(directory / ".lock"):
            return lock
    raise UsageError(f"Another process has held the plan of {directory} for ten seconds. Try again.")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
