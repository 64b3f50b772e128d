"""A run's course is what it told, name by name; stretches of it are weighted by their steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtk.events import Conflict, Evaluation, Progress
from mtk.study import curves
from mtk.study.curves import Point


def report(step: int, **told: object) -> Progress:
    fields = {"losses": {}, "learning_rate": 0.1, "examples_per_second": 9.0, **told}
    return Progress(step=step, steps=100, epoch=1, **fields)  # type: ignore[arg-type]


def conflict(steps: int, share: float, pair: str = "a/b") -> Conflict:
    return Conflict(steps=steps, before=share, after=share / 2, pairs={pair: share}, tasks={"a": share / 2})


def test_each_task_has_its_curve_without_what_is_no_number() -> None:
    progress = [report(1, losses={"a": 2.0, "b": 1.0}), report(5, losses={"a": math.nan, "b": 0.5})]
    assert curves.train_losses(progress) == {"a": [Point(1, 2.0)], "b": [Point(1, 1.0), Point(5, 0.5)]}


def test_a_score_is_the_first_of_a_tasks_metrics() -> None:
    metrics = {"a": {"accuracy": 0.5, "f1": 0.4}}
    evaluation = Evaluation(step=3, epoch=1, metrics=metrics, average=0.5, best=True, losses={"a": 1.5})
    assert curves.scores([evaluation]) == {"a": [Point(3, 0.5)]}
    assert curves.dev_losses([evaluation]) == {"a": [Point(3, 1.5)]}


def test_layers_have_curves_of_their_own() -> None:
    progress = [
        report(2, layer_cosines={"x": {"a/b": 0.1}}),
        report(4, layer_cosines={"x": {"a/b": 0.2}, "y": {"a/b": -1.0}}),
    ]
    found = curves.layer_cosines(progress)
    assert found == {"x": {"a/b": [Point(2, 0.1), Point(4, 0.2)]}, "y": {"a/b": [Point(4, -1.0)]}}


def test_a_mean_counts_steps_and_not_reports() -> None:
    curve = [Point(1, 10.0), Point(10, 0.0)]
    assert curves.mean(curve) == pytest.approx(1.0)
    assert curves.mean_between(curve, 1, 10) == 0.0
    assert curves.mean_between(curve, 10, 20) is None
    assert curves.mean([]) is None


def test_stretches_are_merged_by_their_steps() -> None:
    found = curves.merged([conflict(1, 1.0), None, conflict(3, 0.0), conflict(4, 0.5, "a/c")])
    assert found and (found.steps, found.before, found.after) == (8, 0.375, 0.1875)
    assert found.pairs == {"a/b": 0.25, "a/c": 0.5}, "over the stretches that had the pair"
    assert curves.merged([None]) is None
    assert curves.measured([report(1, conflict=conflict(2, 0.5)), report(2)]) == conflict(2, 0.5)
    assert curves.measured_by_layer([report(1, layer_conflicts={"x": conflict(2, 0.5)})]) == {"x": conflict(2, 0.5)}


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=300), st.integers(1, 50))
def test_a_thinned_curve_keeps_its_end_and_its_range(values: list[float], most: int) -> None:
    curve = [Point(number + 1, value) for number, value in enumerate(values)]
    found = curves.thinned(curve, most)
    assert len(found) == min(most, len(curve))
    assert found[-1].step == curve[-1].step
    assert min(values) - 1e-9 <= min(p.value for p in found) and max(p.value for p in found) <= max(values) + 1e-9
    assert [p.step for p in found] == sorted({p.step for p in found})
