"""Standard output for people: where every command prints, and how a table and a task's metrics look.

A terminal has lines of its own width, broken between words. A pipe has lines that are never broken, and no spaces at their
ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mtk_cli.escape import visible, wrapped

_ENDLESS = 1_000_000
_GAP = 2  # between two columns


class Screen(Console):
    """A console on which nothing is more than text: no markup, since a message or a summary may hold brackets of its own,
    and nothing that a terminal would obey."""

    def __init__(self, *, is_notebook: bool = False, **how: Any) -> None:
        """In a notebook it writes plain lines: rich would follow each with an empty display."""
        self.is_notebook = is_notebook
        plain: dict[str, Any] = {"force_jupyter": False, "force_terminal": False} if is_notebook else {}
        super().__init__(markup=False, emoji=False, highlight=False, **plain, **how)

    @property
    def is_live(self) -> bool:
        """Whether something can move on it."""
        return self.is_terminal and not self.is_dumb_terminal

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)

    def print(self, *objects: Any, **how: Any) -> None:
        if self.is_terminal:
            super().print(*objects, **how)
            return
        with self.capture() as printed:
            super().print(*objects, **how)
        self.file.write("".join(f"{line.rstrip(' ')}\n" for line in printed.get().splitlines()))
        self.file.flush()

    def say(self, text: str, style: str = "") -> None:
        """Print lines, broken between words; a word that is longer than a line, such as a path, stays whole."""
        # print(style=…) would turn a bar below it bold too
        shown = visible(text) if self.width == _ENDLESS else wrapped(visible(text), self.width)
        self.print(Text(shown, style=style), soft_wrap=True)


def stdout() -> Screen:
    """Standard output as it is just now."""
    return Screen(width=None if sys.stdout.isatty() else _ENDLESS, is_notebook=Console().is_jupyter)


class Listing:
    """A table without lines, whose words are whole.

    Where it is wider than the screen, cells have several lines, as long as each column holds its longest word. A narrower
    screen gets every row for itself: its first cell, and below it the others with their headers, as many as go in a line.
    """

    def __init__(self, *headers: str, right: Sequence[str] = ()) -> None:
        """`right` are those of the columns whose cells are numbers."""
        self._headers, self._right = headers, right
        self._rows: list[list[str]] = []

    def add_row(self, *cells: str) -> None:
        self._rows.append([visible(cell) for cell in cells])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(console, options)
        if widths is None:
            yield from self._one_below_the_other(options.max_width)
            return
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=bool(self._headers))
        for number, width in enumerate(widths):
            header = self._headers[number] if self._headers else ""
            table.add_column(header, width=width, overflow="fold", justify="right" if header in self._right else "left")
        for row in self._rows:
            table.add_row(*map(Text, row), *[""] * (len(widths) - len(row)))
        yield table

    def _widths(self, console: Console, options: ConsoleOptions) -> list[int] | None:
        """A width for each column, or None where their longest words have no room beside one another."""
        columns = [self._column(number) for number in range(max(map(len, (self._headers, *self._rows))))]
        sizes = [[Measurement.get(console, options.update(width=_ENDLESS), Text(cell)) for cell in c] for c in columns]
        least = [max(size.minimum for size in column) for column in sizes]
        wanted = [max(size.maximum for size in column) for column in sizes]
        room = options.max_width - _GAP * (len(columns) - 1)
        if sum(least) > room:
            return None
        widths = list(least)
        for _ in range(room - sum(least)):  # to the column that is the farthest from what it wants
            lacking = [(want - width) / want if want else 0 for want, width in zip(wanted, widths, strict=True)]
            if not max(lacking, default=0):
                break
            widths[lacking.index(max(lacking))] += 1
        return widths

    def _column(self, number: int) -> list[str]:
        cells = [row[number] for row in self._rows if number < len(row)]
        return [self._headers[number], *cells] if self._headers else cells

    def _one_below_the_other(self, width: int) -> Iterable[Text]:
        for row in self._rows:
            first, others = (row[0], row[1:]) if self._headers else ("", row)
            headers = [f"{header} " for header in self._headers[1:]] or [""] * len(others)
            lines = [first] if first else []
            line = ""
            for cell in (f"{header}{cell}" for header, cell in zip(headers, others, strict=False) if cell):
                if line and len(line) + _GAP + len(cell) > width:
                    lines.append(line)
                    line = ""
                line = f"{line}  {cell}"
            yield from (Text(text, overflow="fold") for text in wrapped("\n".join([*lines, line]), width).split("\n"))


def table(*headers: str, right: Sequence[str] = ()) -> Listing:
    """A table with these headers."""
    return Listing(*headers, right=right)


def scores(metrics: Mapping[str, Mapping[str, float]]) -> Listing:
    """A line for each task: its score, and the metric beside it."""
    grid = Listing()
    for task, values in metrics.items():
        cells = [cell for name, value in values.items() for cell in (name, f"{value:.4f}")]
        grid.add_row("", task, *cells)
    return grid
