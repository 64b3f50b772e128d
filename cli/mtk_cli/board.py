"""What a sweep shows while it works: a live table in a terminal; elsewhere a line when a cell begins, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mtk.events import Evaluation, Plan, Preparation, Progress, Result
from mtk.study.cells import Cell
from mtk.study.sweep import Begun, Failed, Left, Lost, Told
from mtk_cli.escape import visible
from mtk_cli.output import Screen

_STYLES = {"done": "green", "failed": "red", "running": "cyan", "interrupted": "yellow", "waiting": "dim"}


@dataclass
class Shown:
    """A cell as it stands there."""

    cell: Cell
    number: int
    state: str = "waiting"
    step: int = 0
    steps: int = 0
    score: float | None = None  # the best average so far
    note: str = ""
    began: float = 0.0
    seconds: float = 0.0


class Board:
    """Hears of cells. As a context manager it puts the terminal back in order, however the sweep ends."""

    def __init__(self, screen: Screen, sweep: Path, cells: Sequence[Cell], *, is_shown: bool) -> None:
        self._screen, self._sweep, self._is_shown = screen, sweep, is_shown
        self._cells = {cell.directory: Shown(cell, number) for number, cell in enumerate(cells, start=1)}
        is_live = screen.is_live and is_shown
        self._live = Live(console=screen, refresh_per_second=4, get_renderable=self._render) if is_live else None
        self._began = time.monotonic()

    @property
    def failed(self) -> int:
        """How many cells failed."""
        return sum(shown.state == "failed" for shown in self._cells.values())

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def note(self, lines: Iterable[str]) -> None:
        """What somebody should know."""
        for line in lines:
            self._say(line)

    def tell(self, cell: Cell, told: Told) -> None:
        """What a cell tells."""
        shown = self._cells.setdefault(cell.directory, Shown(cell, len(self._cells) + 1))
        match told:
            case Begun():
                shown.state, shown.began = "running", time.monotonic()
                self._line(shown, "goes on" if told.goes_on else "begins")
            case Left():
                shown.state = told.state
                if told.run and told.run.best:
                    shown.score = told.run.best.average
                shown.note = "by another process" if told.state == "running" else "was done before"
                self._line(shown, "is at work in another process" if told.state == "running" else "was done before")
            case Lost():
                self._line(shown, "its worker was lost, another one goes on", always=True)
            case Preparation():
                shown.note = told.stage
            case Plan():
                shown.steps, shown.note = told.steps, ""
            case Progress():
                shown.step, shown.steps = told.step, told.steps
            case Evaluation():
                shown.score = told.average if told.best else shown.score
            case Result():
                shown.state = "interrupted" if told.interrupted else "done"
                shown.seconds, shown.note = told.seconds, told.stopped or ""
                shown.score = told.best.average if told.best else None
                score = "" if shown.score is None else f": average {shown.score:.4f}"
                why = f"; stopped: {told.stopped}" if told.stopped else ""
                self._line(shown, f"{shown.state}{score}, in {_time(told.seconds)}{why}")
            case Failed():
                shown.state, shown.note = "failed", told.message.splitlines()[0]
                self._line(shown, f"failed: {told.message}", always=True)

    def _line(self, shown: Shown, what: str, *, always: bool = False) -> None:
        """A line of a log; on a live table only what would be lost with it."""
        if always or not self._live:
            of = f"/{len(self._cells)}"
            self._say(f"[{shown.number}{of}] {shown.cell.row}, seed {shown.cell.seed}  {what}")

    def _say(self, line: str) -> None:
        if self._is_shown:
            self._screen.say(line)

    def _render(self) -> RenderableType:
        """As many cells as the terminal has lines for: those at work, what just ended, what comes next."""
        cells = list(self._cells.values())
        room = max(3, self._screen.height - 4)
        first = next((place for place, shown in enumerate(cells) if shown.state in ("running", "waiting")), 0)
        start = max(0, min(first - room // 3, len(cells) - room))
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for header in ("", "row", "seed", "", "average", "time", ""):
            right = header in ("seed", "average", "time")
            grid.add_column(header, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
        for shown in cells[start : start + room]:
            grid.add_row(*self._cells_of(shown))
        return Group(grid, self._summary(cells))

    def _cells_of(self, shown: Shown) -> list[RenderableType]:
        style = _STYLES[shown.state]
        score = "" if shown.score is None else f"{shown.score:.4f}"
        seconds = time.monotonic() - shown.began if shown.state == "running" and shown.began else shown.seconds
        if shown.state == "running" and shown.steps:
            state: RenderableType = ProgressBar(total=shown.steps, completed=shown.step, width=16)
        else:
            state = Text(shown.state, style=style)
        row = Text(visible(shown.cell.row), style="" if shown.state != "waiting" else "dim")
        time_ = _time(seconds) if seconds else ""
        return [str(shown.number), row, str(shown.cell.seed), state, score, time_, Text(visible(shown.note), style="dim")]

    def _summary(self, cells: Sequence[Shown]) -> Text:
        states = [shown.state for shown in cells]
        counts = [f"{states.count(state)} {state}" for state in _STYLES if state in states]
        spent = [shown.seconds for shown in cells if shown.state == "done" and shown.seconds]
        left = states.count("waiting") + states.count("running")
        about = ""
        if spent and left:
            elapsed = time.monotonic() - self._began
            about = f", about {_time(elapsed / len(spent) * left)} left"
        return Text(f"{', '.join(counts)}{about}", style="bold")


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
