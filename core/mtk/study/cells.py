"""The plan of a sweep as its directory records it: its cells, each of which is a run.

SWEEP/sweep.json                what is to be run
SWEEP/cells/ROW-seed0/          the run of each cell
SWEEP/failures/ROW-seed0.txt    why one failed, until it does not
SWEEP/claims/ROW-seed0          held by the process that is at work in it
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from mtk.errors import DataError
from mtk.files import read_json

SWEEP = "sweep.json"
LARGEST = 1 << 26  # bytes of it


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run of a sweep: a row of the table with one seed."""

    row: str  # as the table calls it
    seed: int
    directory: str  # its name in `cells/`
    settings: dict[str, Any]  # all of `RunConfig`

    def path(self, sweep: Path) -> Path:
        """Where its run is."""
        return sweep / "cells" / self.directory

    def failure(self, sweep: Path) -> Path:
        """Where it is said why it failed."""
        return sweep / "failures" / f"{self.directory}.txt"

    def claim(self, sweep: Path) -> Path:
        """The lock of whoever is at work in it."""
        return sweep / "claims" / self.directory


class SweepPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What sweep.json holds."""

    cells: list[Cell]
    format: Literal[1] = 1


def is_sweep(path: Path) -> bool:
    """Whether it is the directory of a sweep."""
    return (path / SWEEP).is_file()


def read_plan(sweep: Path) -> SweepPlan:
    """Its plan. Raises DataError."""
    plan = read_json(sweep / SWEEP, "the plan of a sweep", LARGEST, SweepPlan)
    for cell in plan.cells:
        if cell.directory != Path(cell.directory).name or cell.directory in ("", ".", ".."):
            raise DataError(f"{sweep / SWEEP} is not what was saved: '{cell.directory}' names no cell.")
    return plan
