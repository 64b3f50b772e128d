"""Every chart is drawn, holds its values in words, takes its colours from the page, and lets nothing in that is not text."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from mtk.errors import UsageError
from mtk.study.answers import Bin, Calibration
from mtk.study.curves import Point
from mtk.study.report import charts
from mtk.study.report.charts import Line, Spec

pytest.importorskip("vl_convert")

NASTY = '<script>alert("x")</script>&amp;'
CURVE = [Point(step, 0.5 - step / 10) for step in range(1, 9)]
SPECS = {
    "lines": lambda name: charts.lines([Line(name, CURVE), Line("b", CURVE, dots=True)], best=CURVE[2]),
    "agreement": lambda name: charts.agreement(name, CURVE, 0.5),
    "layers": lambda name: charts.layers_over_steps({name: CURVE, "layer 1": CURVE}, 0.5),
    "before and after": lambda name: charts.before_and_after({name: (0.5, 0.25)}),
    "confusion": lambda name: charts.confusion(np.array([[3, 1], [0, 2]]), [name, "good"]),
    "intervals": lambda name: charts.intervals({name: (0.1, 0.05, 0.15), "b": (0.0, -0.1, 0.1)}),
}
VALUES = {
    "lines": "step 3: 0.200",
    "agreement": "step 8: -0.300",
    "layers": "step 8: cosine -0.300",
    "before and after": "50.0% before, 25.0% after",
    "confusion": "answered as good: 1 of 4 (25%)",
    "intervals": "+0.100, from +0.050 to +0.150",
}


def words(drawing: str) -> list[str]:
    return [node.get("aria-label", "") for node in ElementTree.fromstring(drawing).iter()]


@pytest.mark.parametrize("name", SPECS)
def test_it_holds_its_values_in_words_and_names_stay_text(name: str) -> None:
    drawing = charts.svg(SPECS[name](NASTY))
    assert any(VALUES[name] in label and (NASTY in label or name == "layers") for label in words(drawing))
    assert "<script" not in drawing and "http" not in drawing.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", SPECS)
def test_its_colours_are_the_pages(name: str) -> None:
    drawing = charts.svg(SPECS[name]("a"))
    colours = set(re.findall(r' (?:fill|stroke)="([^"]*)"', drawing))
    assert {colour for colour in colours if not colour.startswith("var(")} <= {"none", "transparent"}, colours
    assert not re.search(r' id="|url\(#', drawing), "two drawings on a page must not mean one another"


def one(spec: Spec, role: str = "img") -> list[str]:
    return [label for label in words(charts.svg(spec)) if label]


def test_probabilities_stand_beside_what_came_true() -> None:
    found = Calibration([Bin(7, 0.95, 0.5), Bin(3, 0.55, 1.0)], 0.4, 0.3, 0.1, 10)
    assert "answers with a mean confidence of 95%: 50% of 7 were right" in one(charts.reliability(found))


def test_of_many_scores_every_so_manieth_is_drawn() -> None:
    labels = [float(number % 6) for number in range(1000)]
    dots = [label for label in one(charts.scatter(labels, labels)) if label.startswith("label")]
    assert len(dots) == 250
    assert "label 4.00, predicted 4.00" in dots


def test_values_that_are_all_one_have_ticks_around_them() -> None:
    """And not one tick, which is rounded: 0 at 0.2656."""
    drawing = charts.svg(charts.lines([Line("a", [Point(4, 0.2656)]), Line("b", [Point(4, 0.2656)])]))
    ticks = [float(text) for text in re.findall(r">(0\.\d+)<", drawing)]
    assert min(ticks) < 0.2656 < max(ticks)


def test_a_long_run_is_no_large_drawing() -> None:
    curve = [Point(step, (step * 7919 % 101) / 101) for step in range(1, 100_000, 10)]
    assert len(charts.svg(charts.lines([Line("loss", curve)]))) < 40_000


def test_without_what_draws_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match=r"pip install 'multitask-toolkit\[report\]'"):
        charts.svg(charts.lines([Line("never drawn", CURVE)]))


@pytest.mark.parametrize(("highest", "domain"), [(0.01, 0.05), (0.12, 0.2), (0.7, 1.0), (1.0, 1.0)])
def test_cosines_share_the_smallest_scale_that_holds_them(highest: float, domain: float) -> None:
    assert charts.domain_of([[Point(1, -highest)], [Point(1, 0.0)]]) == domain
