"""A run's course as curves over its steps, from what it told: losses, scores, rate, pace, and how its tasks got along."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from mtk.events import Conflict, Evaluation, Progress


class Point(NamedTuple):
    """A value after so many steps."""

    step: int
    value: float


Curve = list[Point]


def train_losses(progress: Sequence[Progress]) -> dict[str, Curve]:
    """task -> its loss in the steps before each report."""
    return by_name((report.step, report.losses) for report in progress)


def dev_losses(evaluations: Sequence[Evaluation]) -> dict[str, Curve]:
    """task -> its loss on the development set at each evaluation."""
    return by_name((evaluation.step, evaluation.losses) for evaluation in evaluations)


def scores(evaluations: Sequence[Evaluation]) -> dict[str, Curve]:
    """task -> its score at each evaluation."""
    return by_name((e.step, {task: score_of(metrics) for task, metrics in e.metrics.items()}) for e in evaluations)


def cosines(progress: Sequence[Progress]) -> dict[str, Curve]:
    """ "a/b" -> the cosine of their gradients in the steps before each report."""
    return by_name((report.step, report.cosines) for report in progress)


def layer_cosines(progress: Sequence[Progress]) -> dict[str, dict[str, Curve]]:
    """layer -> the same in it."""
    layers = dict.fromkeys(layer for report in progress for layer in report.layer_cosines)
    return {layer: by_name((r.step, r.layer_cosines.get(layer, {})) for r in progress) for layer in layers}


def score_of(metrics: Mapping[str, float]) -> float:
    """A task's score: the first of its metrics."""
    return next(iter(metrics.values()))


def measured(progress: Sequence[Progress]) -> Conflict | None:
    """The conflict over the encoder in all steps that were measured."""
    return merged(report.conflict for report in progress)


def measured_by_layer(progress: Sequence[Progress]) -> dict[str, Conflict]:
    """layer -> the same in it."""
    layers = dict.fromkeys(layer for report in progress for layer in report.layer_conflicts)
    found = {layer: merged(report.layer_conflicts.get(layer) for report in progress) for layer in layers}
    return {layer: conflict for layer, conflict in found.items() if conflict}


def merged(conflicts: Iterable[Conflict | None]) -> Conflict | None:
    """Several stretches of a run as one; None where none of them was measured."""
    known = [conflict for conflict in conflicts if conflict and conflict.steps]
    if not known:
        return None

    def mean(of_stretch: Sequence[float | None]) -> float:
        told = [(c.steps, value) for c, value in zip(known, of_stretch, strict=True) if value is not None]
        return sum(steps * value for steps, value in told) / sum(steps for steps, _ in told)

    def shares(of_stretch: Sequence[dict[str, float]]) -> dict[str, float]:
        names = dict.fromkeys(name for each in of_stretch for name in each)
        return {name: mean([each.get(name) for each in of_stretch]) for name in names}

    return Conflict(
        steps=sum(c.steps for c in known),
        before=mean([c.before for c in known]),
        after=mean([c.after for c in known]),
        pairs=shares([c.pairs for c in known]),
        tasks=shares([c.tasks for c in known]),
    )


def mean_between(curve: Curve, after: int, until: int) -> float | None:
    """The mean of what a curve tells of the steps after one and until another; None where it tells nothing of them."""
    values = [(point.step - before.step, point.value) for before, point in pairwise([Point(0, 0.0), *curve])]
    steps = [point.step for point in curve]
    told = [(weight, value) for step, (weight, value) in zip(steps, values, strict=True) if after < step <= until]
    weight = sum(weight for weight, _ in told)
    return sum(each * value for each, value in told) / weight if weight else None


def mean(curve: Curve) -> float | None:
    """That over all steps."""
    return mean_between(curve, 0, curve[-1].step) if curve else None


def thinned(curve: Curve, most: int) -> Curve:
    """A curve of at most so many points, each the mean of neighbours, at the step of the last of them."""
    if len(curve) <= most:
        return curve
    edges = [round(number * len(curve) / most) for number in range(most + 1)]
    groups = [curve[start:end] for start, end in pairwise(edges)]
    return [Point(group[-1].step, sum(p.value for p in group) / len(group)) for group in groups]


def by_name(told: Iterable[tuple[int, Mapping[str, float]]]) -> dict[str, Curve]:
    """The curve of each name, without what is no number."""
    curves: dict[str, Curve] = {}
    for step, values in told:
        for name, value in values.items():
            if math.isfinite(value):
                curves.setdefault(name, []).append(Point(step, value))
    return curves
