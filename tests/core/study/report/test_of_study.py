"""Several runs are shown row by row: means over seeds, conflict where it was measured, the study beside its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

from mtk.errors import UsageError
from mtk.study.advised import rows_of
from mtk.study.curves import Point
from mtk.study.entries import Entry, read_entries
from mtk.study.report import of_study
from mtk.study.report.blocks import Charts, Facts, Section, Table


@pytest.fixture(scope="module")
def entries(study: Path) -> list[Entry]:
    return read_entries([study])


@pytest.fixture(scope="module")
def sections(entries: list[Entry]) -> dict[str, Section]:
    return {section.title: section for section in of_study.sections(entries)}


def table(section: Section) -> Table:
    return next(block for block in section.blocks if isinstance(block, Table))


def test_each_row_has_the_mean_and_the_spread_of_its_seeds(entries: list[Entry], sections: dict[str, Section]) -> None:
    rows = {row[0]: row for row in table(sections["The rows"]).rows}
    assert len(rows) == 2
    for row in rows_of(entries):
        shown = rows[row.name]
        assert shown[1] == "2"
        assert f"{fmean(row.averages):.4f} ± {stdev(row.averages):.4f}" in shown


def test_the_study_stands_beside_its_rows_and_beside_no_others(entries: list[Entry], sections: dict[str, Section]) -> None:
    lines = table(sections["Beside the study"]).rows
    rows = rows_of(entries)
    plain = next(row for row in rows if "linear" in row.name)
    assert lines[0][1:3] == ["0.606", f"{plain.average:.4f}"]
    assert lines[1][1:3] == ["0.740", f"{max(row.average for row in rows):.4f}"]
    others = [entry for entry in entries if "linear" not in entry.row]
    assert "Beside the study" not in [section.title for section in of_study.sections(others)]


def test_conflict_is_shown_of_the_rows_that_measured_it(sections: dict[str, Section]) -> None:
    section = sections["How the tasks got along"]
    assert "1 of 2 rows did not measure it" in section.lead
    rows = [row[0] for row in table(sections["The rows"]).rows]
    assert [row[0] for row in table(section).rows] == [row for row in rows if "pcgrad" in row]


def test_scores_over_the_steps_have_a_line_for_each_row(sections: dict[str, Section]) -> None:
    charts = next(block for block in sections["How the rows learned"].blocks if isinstance(block, Charts)).charts
    assert [chart.title for chart in charts] == ["sst", "para", "sts"]
    assert all(len(chart.keys) == 2 for chart in charts)


def test_of_many_rows_the_best_have_a_line(entries: list[Entry]) -> None:
    rows = [replace(row, name=f"{row.name} {number}") for number in range(4) for row in rows_of(entries)]
    section = of_study.learning(rows)
    assert section.lead.endswith("of the 6 best of 8 rows.")
    chart = next(block for block in section.blocks if isinstance(block, Charts)).charts[0]
    kept = {key.name for key in chart.keys}
    assert len(kept) == 6 and max(rows, key=lambda row: row.average).name in kept


def test_differences_from_the_first_row_have_their_intervals(sections: dict[str, Section]) -> None:
    blocks = sections["The rows"].blocks
    chart = next(block for block in blocks if isinstance(block, Charts)).charts[0]
    away = [block for block in blocks if isinstance(block, Table)][1]
    assert chart.wide and "linear" in chart.title and len(away.rows) == 1
    low, high = (float(end) for end in away.rows[0][4].partition("(")[2].rstrip(")").split(" to "))
    assert low <= float(away.rows[0][4].split()[0]) <= high
    spec = chart.spec["data"]["values"][0]
    assert (round(spec["low"], 4), round(spec["high"], 4)) == (low, high)


def test_any_row_can_be_what_others_are_compared_with(entries: list[Entry]) -> None:
    surgery = next(entry.row for entry in entries if "pcgrad" in entry.row)
    section = of_study.sections(entries, surgery)[1]
    chart = next(block for block in section.blocks if isinstance(block, Charts)).charts[0]
    assert chart.title == f"Differences from {surgery}"
    with pytest.raises(UsageError, match="no row 'none'"):
        of_study.sections(entries, "none")


def test_what_has_not_run_is_counted(entries: list[Entry]) -> None:
    waiting = [replace(entries[0], run=None), replace(entries[1], run=None, failure="no memory")]
    short = of_study.sections([*entries, *waiting])[0]
    assert short.lead == "2 of 6 runs are not done; 1 failed."
    assert any(isinstance(block, Facts) for block in short.blocks)
    nothing = of_study.sections(waiting)
    assert [section.lead for section in nothing] == ["2 of 2 runs are not done; 1 failed. There is no score yet."]


def test_a_mean_curve_has_the_steps_that_all_seeds_have() -> None:
    curves = [[Point(1, 1.0), Point(2, 2.0)], [Point(2, 4.0), Point(3, 9.0)]]
    assert of_study.mean_of(curves) == [Point(2, 3.0)]
    assert of_study.mean_of([]) == []
