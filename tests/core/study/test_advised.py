"""Advice on directories of runs: rows are put together from their seeds, and what cannot be read is answered in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mtk.config import RunConfig
from mtk.errors import DataError
from mtk.events import Evaluation, Result
from mtk.study.advised import advise, differences_in, of_rows, rows_of, spread_of
from mtk.study.compare import AVERAGE, ComparedRow, Comparison, Score
from mtk.study.entries import Entry
from mtk.study.record import RunRecord
from mtk.study.resampling import Interval


def entry(row: str, seed: int, average: float, path: Path) -> Entry:
    """A run of which there is nothing but its score."""
    best = Evaluation(step=1, epoch=1, metrics={"a": {"accuracy": average}}, average=average, best=True)
    result = Result(
        out=path,
        epochs=1,
        steps=7,
        seconds=1.0,
        examples_per_second=1.0,
        best=best,
        interrupted=False,
        notes=["a: 0.3 at most"],
    )
    return Entry(row, seed, RunRecord(path, "done", "", RunConfig(seed=seed), None, result))


def test_rows_are_put_together_from_runs_with_a_score(tmp_path: Path) -> None:
    entries = [entry("x", 1, 0.7, tmp_path), entry("y", 0, 0.4, tmp_path), entry("x", 0, 0.5, tmp_path)]
    entries += [entry("y", 1, float("nan"), tmp_path), Entry("z", 0, None)]
    rows = rows_of(entries)
    assert [(row.name, row.averages, row.seeds) for row in rows] == [("x", [0.5, 0.7], {0, 1}), ("y", [0.4], {0})]
    assert rows[0].average == pytest.approx(0.6) and rows[0].conflict is None
    assert spread_of(rows) == pytest.approx(0.2 / 2**0.5) and spread_of(rows[1:]) is None


def test_of_a_seed_the_newest_run_counts(tmp_path: Path) -> None:
    runs = [entry("x", 0, average, tmp_path) for average in (0.5, 0.7)]
    assert runs[0].run and runs[1].run
    newest = replace(runs[0], run=replace(runs[0].run, modified=2.0))
    assert rows_of([newest, runs[1]])[0].averages == [0.5]
    left_off = replace(runs[0], run=replace(runs[0].run, state="interrupted"))
    assert rows_of([left_off]) == []


def test_differences_are_those_of_the_table() -> None:
    base = ComparedRow("base", [0, 1, 2], {}, {AVERAGE: Score(0.5, 0.1, [0.5])}, 1.0)
    away = Score(0.6, 0.1, [0.6], None, Interval(0.1, 0.05, 0.15))
    table = Comparison({AVERAGE: ""}, [base, ComparedRow("x", [0, 1], {}, {AVERAGE: away}, 1.0)], "base")
    assert differences_in(table) == [("x", "base", 0.1, 0.05, 0.15, 2)]
    assert differences_in(Comparison({AVERAGE: ""}, [base], None)) == []


def test_one_seed_a_row_is_told(tmp_path: Path) -> None:
    found = of_rows(rows_of([entry("x", 0, 0.5, tmp_path), entry("y", 0, 0.4, tmp_path)]), [])
    assert "1 seed a row, 2 rows" in found[0].text
    assert of_rows([], []) == []


def test_where_nothing_has_begun_there_is_nothing_to_advise_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text("nothing = 1")
    with pytest.raises(DataError, match=r"no run to advise on yet.*config.toml"):
        advise([run])
    with pytest.raises(DataError, match="neither a run nor a sweep"):
        advise([tmp_path / "none"])


def test_a_run_that_has_told_nothing_yet_gets_no_advice(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("seed = 3\n")
    assert advise([tmp_path / "run"]) == []
