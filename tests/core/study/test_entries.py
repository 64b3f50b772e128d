"""Runs come to the row of those that differ from them in nothing but the seed, wherever their directories are."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

import mtk
from mtk.config import RunConfig, check, read_config, sealed
from mtk.events import Result
from mtk.study.cells import Cell, SweepPlan
from mtk.study.entries import decisive, differences, read_entries


@pytest.fixture
def make(finished: Result, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A copy of the run with other settings."""

    def make(place: str, **settings: object) -> Path:
        out = Path(shutil.copytree(finished.out, tmp_path / place))
        config = check(read_config(out / "config.toml"))
        (out / "config.toml").write_bytes(sealed(msgspec.structs.replace(config, **settings)))
        return out

    return make


def test_runs_are_of_one_row_where_only_the_seed_differs(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make("runs/a", seed=0, device="cpu")
    make("runs/b", seed=1, device="auto")
    make("runs/c", seed=0, combiner="multitask-toolkit/sum", epochs=5)
    found = {entry.run.name: (entry.row, entry.seed) for entry in read_entries([tmp_path / "runs"]) if entry.run}
    assert found["a"][0] == found["b"][0] == "combiner=pcgrad, epochs=2"
    assert found["c"][0] == "combiner=sum, epochs=5"
    assert [found[name][1] for name in "abc"] == [0, 1, 0]


def test_runs_that_differ_in_nothing_have_their_own_name(finished: Result) -> None:
    (entry,) = read_entries([finished.out])
    assert entry.row == finished.out.name


def sweep(place: Path, *rows: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    cells = [Cell(row, 0, row, {}) for row in rows]
    (place / "sweep.json").write_bytes(msgspec.json.encode(SweepPlan(cells)))
    return place


def test_a_sweep_has_an_entry_for_every_cell_begun_or_not(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    place = sweep(tmp_path / "s", "a", "b", "c")
    make("s/cells/a")
    (place / "failures").mkdir()
    (place / "failures" / "b.txt").write_text("out of memory")
    entries = read_entries([place])
    assert [entry.row for entry in entries] == ["a", "b", "c"]
    assert [entry.run is not None for entry in entries] == [True, False, False]
    assert [entry.failure for entry in entries] == ["", "out of memory", ""]
    assert entries[0].settings["combiner"] == "pcgrad"


def test_rows_of_two_sweeps_are_told_apart(tmp_path: Path) -> None:
    places = [sweep(tmp_path / "one", "a", "b"), sweep(tmp_path / "two", "a")]
    assert [entry.row for entry in read_entries(places)] == ["one: a", "b", "two: a"]


def test_what_holds_nothing_and_what_is_given_twice_is_said(finished: Result, tmp_path: Path) -> None:
    with pytest.raises(mtk.DataError, match="is neither a run nor a sweep, and holds no runs"):
        read_entries([tmp_path])
    with pytest.raises(mtk.UsageError, match="is given twice"):
        read_entries([finished.out, finished.out])


def test_settings_are_told_by_task_and_only_where_they_differ() -> None:
    one = decisive(RunConfig(heads={"sst": "multitask-toolkit/cnn", "*": "linear"}, learning_rate=1e-5))
    other = decisive(RunConfig(heads={"*": "linear"}, learning_rate=2e-5, seed=3))
    assert differences([one, other]) == [{"heads.sst": "cnn", "learning_rate": "1e-05"}, {"learning_rate": "2e-05"}]
