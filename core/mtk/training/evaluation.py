"""How well a model does: every task's predictions, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mtk.data.tokens import TokenizedSplit
from mtk.metrics import Metrics
from mtk.model.multitask import Model


def evaluate_splits(model: Model, splits: Mapping[str, TokenizedSplit]) -> tuple[Metrics, dict[str, Tensor]]:
    """The metrics of each task's split, and its predictions [n] on the host."""
    predictions = {task: model.predict_split(task, tokens) for task, tokens in splits.items()}
    metrics = {
        task: model.tasks[task].kind.metrics(predicted, splits[task].labels.cpu()) for task, predicted in predictions.items()
    }
    return metrics, predictions
