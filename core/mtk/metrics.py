"""What is said of how well a model does, and its mean over the tasks. How a metric is computed is its kind's."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = dict[str, dict[str, float]]
"""task -> metric -> value. A task's first metric is its score."""


def average(metrics: Mapping[str, Mapping[str, float]]) -> float:
    """The mean of the tasks' scores, as the study's Table 1 has it."""
    scores = [next(iter(of_task.values())) for of_task in metrics.values()]
    return sum(scores) / len(scores)
