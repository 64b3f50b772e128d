"""What is said of how well a model does, and its mean over the tasks. How a metric is computed is its kind's."""

from __future__ import annotations

from collections.abc import Mapping

Metrics = dict[str, dict[str, float]]
"""task -> metric -> value. A task's first metric is its score."""


def average(metrics: Mapping[str, Mapping[str, float]]) -> float:
    """The mean of the tasks' scores, as the study's Table 1 has it."""
    found = scores(metrics)
    return sum(found.values()) / len(found)


def scores(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each task's score: the first of its metrics."""
    return {task: next(iter(of_task.values())) for task, of_task in metrics.items()}
