"""The plan of a sweep is read as it was written, and leads nowhere else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import mtk
from mtk.study.cells import Cell, SweepPlan, is_sweep, read_plan

CELL = Cell(row="a", seed=0, directory="a-seed0", settings={"epochs": 1})


def write(sweep: Path, plan: object) -> None:
    (sweep / "sweep.json").write_bytes(msgspec.json.encode(plan))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert not is_sweep(tmp_path)
    write(tmp_path, SweepPlan([CELL]))
    assert is_sweep(tmp_path)
    assert read_plan(tmp_path) == SweepPlan([CELL])
    places = {CELL.path(tmp_path), CELL.failure(tmp_path), CELL.claim(tmp_path)}
    assert len(places) == 3
    assert all(place.parent.parent == tmp_path for place in places)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/x"])
def test_a_cell_lies_within_the_sweep(tmp_path: Path, name: str) -> None:
    write(tmp_path, SweepPlan([msgspec.structs.replace(CELL, directory=name)]))
    with pytest.raises(mtk.DataError, match=r"sweep.json is not what was saved"):
        read_plan(tmp_path)


@pytest.mark.parametrize("content", [{"cells": [], "format": 2}, {"cells": [{"row": "a"}]}, {"runs": []}, []])
def test_what_no_sweep_wrote_is_refused(tmp_path: Path, content: object) -> None:
    write(tmp_path, content)
    with pytest.raises(mtk.DataError, match=r"sweep.json is not what was saved"):
        read_plan(tmp_path)
