"""A table's numbers are those of its runs; what is left out, and what an interval does not hold, is said."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

import mtk
from mtk.study.advised import rows_of
from mtk.study.cells import read_plan
from mtk.study.compare import AVERAGE, compare
from mtk.study.entries import Entry, read_entries, read_sweep
from mtk.study.grid import Row, axes_of, expand
from mtk.study.record import read_run
from mtk.study.sweep import open_sweep, work

OLD = Path(__file__).parents[2] / "runs"


@pytest.fixture(scope="module")
def sweep(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compare") / "sweep"
    rows = [Row("plain", axes_of({"combiner": "sum"}))]
    rows += [Row("surgery", axes_of({"combiner": "pcgrad", "learning_rate": 1e-3}))]
    over = {**tiny, "epochs": 1, "checkpoint_every": "0", "seed": [0, 1]}
    cells, _ = open_sweep(place, expand(rows, axes_of(over)))
    assert work(place, cells, lambda cell, told: None)
    return place


def test_means_and_deviations_are_those_of_the_runs(sweep: Path) -> None:
    found = compare(read_sweep(sweep))
    assert found.columns == {"sst": "accuracy", "para": "accuracy", "sts": "pearson", AVERAGE: ""}
    assert [(row.name, row.seeds) for row in found.rows] == [("plain", [0, 1]), ("surgery", [0, 1])]
    assert (found.baseline, found.notes) == ("plain", [])
    runs = [read_run(cell.path(sweep)) for cell in read_plan(sweep).cells[2:]]
    averages = [run.best.average for run in runs if run.best]
    score = found.rows[1].scores[AVERAGE]
    assert (score.mean, score.sd, score.values) == (fmean(averages), stdev(averages), averages)
    assert {name: row.settings for name, row in zip(("a", "b"), found.rows, strict=True)} == {
        "a": {"combiner": "sum", "learning_rate": "5e-05"},
        "b": {"combiner": "pcgrad", "learning_rate": "0.001"},
    }


def test_differences_are_those_of_the_means_and_lie_in_their_intervals(sweep: Path) -> None:
    found = compare(read_sweep(sweep), "surgery")
    plain, surgery = found.rows
    for column, score in plain.scores.items():
        away = score.difference
        assert away is not None
        assert away.estimate == pytest.approx(score.mean - surgery.scores[column].mean)
        assert away.low <= away.estimate <= away.high
        assert score.interval is not None
        assert score.interval.low <= score.mean <= score.interval.high
    assert surgery.scores[AVERAGE].difference is None


def test_it_says_the_same_each_time(sweep: Path) -> None:
    assert compare(read_sweep(sweep)) == compare(read_sweep(sweep))


def test_what_is_not_done_is_left_out_and_said(sweep: Path) -> None:
    entries = read_sweep(sweep)
    entries[1] = Entry("plain", 1, None)
    entries[3] = Entry("surgery", 1, entries[3].run and _unfinished(entries[3]), "RuntimeError\nout of memory")
    found = compare(entries)
    assert [row.seeds for row in found.rows] == [[0], [0]]
    assert found.notes[:2] == [
        "1 not begun, no part of the table: plain, seed 1.",
        "1 failed, no part of the table: surgery, seed 1 (out of memory).",
    ]
    assert "With one seed an interval is over examples alone" in found.notes[2]


def _unfinished(entry: Entry) -> Any:
    from dataclasses import replace

    assert entry.run
    return replace(entry.run, state="interrupted")


def test_rows_of_other_seeds_are_compared_without_pairs_and_it_is_said(sweep: Path) -> None:
    found = compare(read_sweep(sweep)[:3])
    assert [row.paired for row in found.rows] == [True, False]
    assert "Not the same seeds as plain, and so not compared seed by seed: surgery." in found.notes


def test_runs_that_kept_no_answers_have_no_intervals_and_it_is_said() -> None:
    found = compare(read_entries([OLD / "format-1", OLD / "format-3"]))
    assert all(row.scores[AVERAGE].interval is None for row in found.rows)
    assert all("has not kept its answers" in note for note in found.notes)
    assert len(found.notes) == 2


def test_a_baseline_that_there_is_not_and_a_table_of_nothing_are_told(sweep: Path) -> None:
    with pytest.raises(mtk.UsageError, match=r"there is no row 'plaim' that is done. Did you mean plain"):
        compare(read_sweep(sweep), "plaim")
    with pytest.raises(mtk.DataError, match=r"No run is done yet. 1 not begun"):
        compare([Entry("plain", 0, None)])


def of_tasks(corpus: Path, place: Path, *tasks: str) -> str:
    """A corpus with some of the tasks of another."""
    place.mkdir()
    tables = (corpus / "tasks.toml").read_text().split("\n[")
    kept = ["[" + table for table in tables if table.lstrip("[").partition("]")[0] in tasks]
    (place / "tasks.toml").write_text("\n".join(kept).replace("[[", "["))
    for file in corpus.glob("*.csv"):
        (place / file.name).write_bytes(file.read_bytes())
    return str(place)


def test_averages_are_over_the_tasks_that_every_row_has(
    sweep: Path, tiny: dict[str, Any], tiny_corpus: Path, tmp_path: Path
) -> None:
    """One that has fewer tasks, or an easy one more, would be the best or the worst for that alone."""
    data = of_tasks(tiny_corpus, tmp_path / "two", "sst", "para")
    entries = read_sweep(sweep)[:1]
    mtk.run(**{**tiny, "data": data, "epochs": 1, "out": tmp_path / "fewer"})
    entries += read_entries([tmp_path / "fewer"])
    found = compare(entries)
    for row in found.rows:
        scores = [row.scores[task].mean for task in ("sst", "para")]
        assert row.scores[AVERAGE].mean == pytest.approx(fmean(scores))
        assert row.scores["sst"].interval is not None
    assert found.rows[0].scores["sts"].interval is None
    assert found.rows[1].scores[AVERAGE].difference is not None
    assert "Averages and intervals are of sst and para alone, which every row has." in found.notes
    shared = [row.average for row in rows_of(entries)]
    assert shared == [row.scores[AVERAGE].mean for row in found.rows], "and so are those that advice is given on"


def test_runs_of_which_each_two_share_a_task_and_all_none_are_not_compared(
    tiny: dict[str, Any], tiny_corpus: Path, tmp_path: Path
) -> None:
    runs = []
    for two in (("sst", "para"), ("para", "sts"), ("sst", "sts")):
        data = of_tasks(tiny_corpus, tmp_path / "-".join(two), *two)
        runs.append(mtk.run(**{**tiny, "data": data, "epochs": 1, "out": tmp_path / f"of-{two[0]}-{two[1]}"}).out)
    with pytest.raises(mtk.DataError, match=r"no task in common.*has sst, para; .*has para, sts; .*has sst, sts"):
        compare(read_entries(runs))


def test_runs_without_a_task_in_common_are_not_compared(tiny: dict[str, Any], tiny_corpus: Path, tmp_path: Path) -> None:
    for task in ("sst", "sts"):
        data = of_tasks(tiny_corpus, tmp_path / task, task)
        mtk.run(**{**tiny, "data": data, "epochs": 1, "out": tmp_path / f"of-{task}"})
    with pytest.raises(mtk.DataError, match=r"no task in common.*of-sst has sst; .*of-sts has sts"):
        compare(read_entries([tmp_path / "of-sst", tmp_path / "of-sts"]))
