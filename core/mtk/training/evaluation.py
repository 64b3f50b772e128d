"""How well a model does: every task's predictions, its metrics, and its losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor

from mtk.data.tokens import TokenizedSplit
from mtk.metrics import Metrics
from mtk.model.multitask import Model


class Evaluated(NamedTuple):
    """What is found out about a model."""

    metrics: Metrics
    predictions: dict[str, Tensor]  # task -> [n], on the host
    losses: dict[str, float]  # task -> mean loss of its logits


def evaluate_splits(
    model: Model,
    splits: Mapping[str, TokenizedSplit],
    progressed: Callable[[str, int], object] = lambda task, done: None,
) -> Evaluated:
    """Evaluate each task's split, which has labels. `progressed` hears of every batch: the task, and its examples so far."""
    found = {task: model.evaluate_split(task, tokens, partial(progressed, task)) for task, tokens in splits.items()}
    predictions = {task: predicted for task, (predicted, _) in found.items()}
    metrics = {
        task: model.tasks[task].kind.metrics(predicted, splits[task].exact_labels) for task, predicted in predictions.items()
    }
    return Evaluated(metrics, predictions, {task: loss for task, (_, loss) in found.items()})
