"""A sweep ends with the same table however often it dies, and no cell is run twice, whatever else goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mtk
from mtk.locks import Lock
from mtk.study.cells import Cell, read_plan
from mtk.study.entries import read_sweep
from mtk.study.grid import Row, axes_of, expand
from mtk.study.sweep import Begun, Failed, Left, open_sweep, state_of, work

Told = list[tuple[str, Any]]


def make(tiny: dict[str, Any], **fields: Any) -> list[Cell]:
    return expand([Row("", axes_of({**tiny, **fields}))])


def hearing(told: Told) -> Callable[[Cell, Any], None]:
    return lambda cell, event: told.append((cell.directory, event))


def table(sweep: Path) -> dict[tuple[str, int], Any]:
    """What every cell came to."""
    entries = read_sweep(sweep)
    return {(e.row, e.seed): e.run.result.best if e.run and e.run.result else None for e in entries}


@pytest.fixture(scope="module")
def undisturbed(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = tmp_path_factory.mktemp("undisturbed") / "sweep"
    cells, notes = open_sweep(sweep, make(tiny, combiner=["sum", "pcgrad"], seed=[0, 1]))
    assert notes == []
    assert work(sweep, cells, hearing([]))
    return sweep


def test_every_cell_is_the_run_that_it_would_be_alone(undisturbed: Path, tiny: dict[str, Any], tmp_path: Path) -> None:
    alone = mtk.run(**tiny, combiner="pcgrad", seed=1, out=tmp_path / "alone")
    assert table(undisturbed)["combiner=pcgrad", 1] == alone.best
    assert all(state_of(undisturbed, cell) == "done" for cell in read_plan(undisturbed).cells)
    (one, other) = (
        mtk.load(path, device="cpu").state_dict() for path in (alone.out, read_plan(undisturbed).cells[3].path(undisturbed))
    )
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_killed_at_random_moments_it_ends_with_the_same_table(
    undisturbed: Path, tiny: dict[str, Any], tmp_path: Path
) -> None:
    sweep, rng = tmp_path / "sweep", random.Random(7)
    cells, _ = open_sweep(sweep, make(tiny, combiner=["sum", "pcgrad"], seed=[0, 1]))
    for _ in range(4):
        child = os.fork()
        if child == 0:
            work(sweep, cells, hearing([]))
            os._exit(0)
        time.sleep(rng.uniform(0.1, 1.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    told: Told = []
    assert work(sweep, cells, hearing(told))
    assert not [event for _, event in told if isinstance(event, Failed)]
    assert table(sweep) == table(undisturbed)
    assert {state_of(sweep, cell) for cell in cells} == {"done"}


def test_what_is_done_is_not_run_again(undisturbed: Path) -> None:
    told: Told = []
    assert work(undisturbed, read_plan(undisturbed).cells, hearing(told))
    assert [type(event) for _, event in told] == [Left] * 4
    assert all(event.state == "done" for _, event in told)


def test_two_processes_run_no_cell_twice(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells, _ = open_sweep(sweep, make(tiny, epochs=1, seed=list(range(6))))

    def note(cell: Cell, event: object) -> None:
        if isinstance(event, Begun):
            with (sweep / "begun").open("a") as file:
                file.write(f"{cell.directory} {event.goes_on}\n")

    children = []
    for _ in range(2):
        children.append(os.fork())
        if children[-1] == 0:
            work(sweep, cells, note)
            os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    begun = (sweep / "begun").read_text().splitlines()
    assert sorted(begun) == sorted(f"{cell.directory} False" for cell in cells)


def test_a_cell_that_somebody_has_is_left_to_them(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells, _ = open_sweep(sweep, make(tiny, epochs=1, limit=8, seed=[0, 1]))
    claim = Lock.take(cells[0].claim(sweep))
    assert claim is not None
    assert state_of(sweep, cells[0]) == "running"
    told: Told = []
    work(sweep, cells, hearing(told))
    assert told[0] == (cells[0].directory, Left("running"))
    claim.release()
    assert [state_of(sweep, cell) for cell in cells] == ["waiting", "done"]


def test_one_that_fails_is_told_and_the_others_go_on(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells, _ = open_sweep(sweep, make(tiny, epochs=1, limit=8, max_length=[1000, 16]))
    told: Told = []
    assert work(sweep, cells, hearing(told))
    (message,) = [event.message for _, event in told if isinstance(event, Failed)]
    assert message.startswith("--max-length 1000")
    assert [state_of(sweep, cell) for cell in cells] == ["failed", "done"]
    assert [entry.failure for entry in read_sweep(sweep)] == [message, ""]


def test_a_directory_that_a_death_left_empty_is_begun_anew(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells, _ = open_sweep(sweep, make(tiny, epochs=1, limit=8))
    cells[0].path(sweep).mkdir()
    (cells[0].path(sweep) / "config.toml.partial").write_text("half")
    assert work(sweep, cells, hearing([]))
    assert state_of(sweep, cells[0]) == "done"


def test_more_cells_are_added_and_others_are_told(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    open_sweep(sweep, make(tiny, seed=[0, 1]))
    _, notes = open_sweep(sweep, make(tiny, seed=[1, 2]))
    assert notes == [f"{sweep} had 2 cells; 1 cell more", f"1 cell of {sweep} not asked for now: run"]
    assert [cell.seed for cell in read_plan(sweep).cells] == [0, 1, 2]


def test_a_row_that_is_another_now_is_refused_and_nothing_is_written(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    open_sweep(sweep, make(tiny))
    before = (sweep / "sweep.json").read_bytes()
    with pytest.raises(mtk.UsageError, match=r"holds row 'run' with epochs = 2, and it is 3 now. Give the row another name"):
        open_sweep(sweep, make(tiny, epochs=3))
    assert (sweep / "sweep.json").read_bytes() == before


def test_a_mistake_in_any_row_is_told_before_anything_is_there(tiny: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match=r"Row 'combiner=pcgard': .*pcgrad"):
        open_sweep(tmp_path / "sweep", make(tiny, combiner=["sum", "pcgard"]))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x").write_text("mine")
    with pytest.raises(mtk.UsageError, match="is there and is no sweep"):
        open_sweep(tmp_path, make(tiny))


def test_one_precision_is_chosen_for_all_and_kept(tiny: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells, _ = open_sweep(sweep, make(tiny, precision="bf16"))
    more, _ = open_sweep(sweep, make(tiny, precision="auto", seed=[0, 1]))
    assert {cell.settings["precision"] for cell in [*cells, *more]} == {"bf16"}
