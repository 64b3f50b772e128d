"""A step of pcgrad costs about what one of sum does, and the packed form less than the plain one: ratios, which are held to
those that were recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_no_step_is_a_quarter_slower_than_recorded() -> None:
    import guard

    recorded = json.loads(guard.RECORDED.read_text())["ratios"]
    assert recorded.keys() == guard.RATIOS.keys()
    slow = guard.too_slow(guard.measured(recorded), recorded)
    assert not slow, "\n".join(slow)


def test_what_is_a_quarter_slower_is_told() -> None:
    import guard

    recorded = {"pcgrad by sum": 1.0, "packed by plain": 0.8}
    assert guard.too_slow({"pcgrad by sum": 1.24, "packed by plain": 0.99}, recorded) == []
    (line,) = guard.too_slow({"pcgrad by sum": 1.24, "packed by plain": 1.01}, recorded)
    assert line.startswith("packed by plain: 1.01 times as long, and 0.80 times when it was recorded")
