"""How well a model does: every task's predictions, its metrics, and the one number that compares runs."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mtk.data.tokens import TokenizedSplit
from mtk.model import Model

Metrics = dict[str, dict[str, float]]
"""task -> metric -> value. A task's first metric is its score."""


def evaluate_splits(model: Model, splits: Mapping[str, TokenizedSplit]) -> tuple[Metrics, dict[str, Tensor]]:
    """The metrics of each task's split, and its predictions [n] on the host."""
    predictions = {task: model.predict_split(task, tokens) for task, tokens in splits.items()}
    metrics = {
        task: model.tasks[task].kind.metrics(predicted, splits[task].labels.cpu()) for task, predicted in predictions.items()
    }
    return metrics, predictions


def average(metrics: Metrics) -> float:
    """The mean of the tasks' scores, as the study's Table 1 has it."""
    scores = [next(iter(of_task.values())) for of_task in metrics.values()]
    return sum(scores) / len(scores)
