"""A table is whole in every form: whatever a row is called, it is one row, and nothing in it is an instruction."""

from __future__ import annotations

import csv
import io

import pytest

from mtk.study.compare import AVERAGE, ComparedRow, Comparison, Score
from mtk.study.resampling import Interval
from mtk_cli import compared
from mtk_cli.output import Screen

NAMES = ["plain", "a|b", "50 % & $x_1$", "x\\y", "ü\x1b[31m", 'say "a", b']


def row(name: str, mean: float, away: Interval | None) -> ComparedRow:
    scores = {"sst": Score(mean, 0.01, [mean], None, away), AVERAGE: Score(mean, 0.01, [mean], None, away)}
    return ComparedRow(name, [0, 1], {"combiner": "sum"}, scores, 12.0)


FOUND = Comparison(
    {"sst": "accuracy", AVERAGE: ""},
    [row(NAMES[0], 0.5, None)] + [row(name, 0.6, Interval(0.1, -0.05, 0.2)) for name in NAMES[1:]],
    NAMES[0],
    ["a note"],
)


def test_csv_has_every_row_as_it_is() -> None:
    rows = list(csv.DictReader(io.StringIO(compared.as_csv(FOUND))))
    assert [r["row"] for r in rows if r["task"] == AVERAGE] == NAMES
    assert {(r["difference"], r["difference_low"], r["difference_high"]) for r in rows[2:]} == {("0.1", "-0.05", "0.2")}


def test_markdown_and_latex_have_a_line_for_each_row() -> None:
    lines = compared.as_markdown(FOUND).splitlines()
    assert len(lines) == 2 + len(NAMES)
    assert {line.replace("\\|", "").count("|") for line in lines} == {lines[0].count("|")}
    assert "\x1b" not in "".join(lines)
    latex = compared.as_latex(FOUND).splitlines()
    body = latex[latex.index(r"\midrule") + 1 : latex.index(r"\bottomrule")]
    assert len(body) == len(NAMES)
    assert r"50 \% \& \$x\_1\$ & 2 & \textbf{0.6000 $\pm$ 0.0100}" in body[2]
    assert r"x\textbackslash{}y" in body[3]


def test_a_picture_has_the_interval_around_zero() -> None:
    assert compared._plot(Interval(0.0, -1.0, 1.0), -1.0, 1.0) == "─" * 12 + "●" + "─" * 12
    assert compared._plot(Interval(0.75, 0.5, 1.0), -1.0, 1.0) == " " * 12 + "│" + " " * 5 + "───●───"
    assert compared._plot(Interval(0.0, 0.0, 0.0), 0.0, 0.0)[0] == "●"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_all_of_it(width: int) -> None:
    file = io.StringIO()
    compared.show(Screen(file=file, width=width), FOUND)
    shown = file.getvalue()
    assert all(text in shown for text in ("plain", "0.6000", "a note", "combiner=sum", r"\x1b[31m"))
    assert shown.count("*") >= 2 * (len(NAMES) - 1), "all that are the best have a star"
