"""Standard output for people: where every command prints, and how a table and a task's metrics look."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.table import Column, Table

_ENDLESS = 10_000


def stdout() -> Console:
    """No markup: a message or a summary may hold brackets of its own. A pipe gets lines that are never folded."""
    return Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else _ENDLESS)


def table(*columns: str) -> Table:
    """A table with these headers, without lines. A narrow terminal folds its cells, and never cuts them."""
    return Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)


def scores(metrics: Mapping[str, Mapping[str, float]]) -> Table:
    """A line for each task: its score, and the metric beside it."""
    grid = Table.grid(padding=(0, 2))
    for task, values in metrics.items():
        cells = [cell for name, value in values.items() for cell in (name, f"{value:.4f}")]
        grid.add_row("", task, *cells)
    return grid
