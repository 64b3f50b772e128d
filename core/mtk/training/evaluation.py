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
    """Evaluate each task's split, which has labels; a further one of a task has the name `task/NAME`. `progressed` hears of
    every batch: the task, and its examples so far."""
    found = {name: model.evaluate_split(task_of(name), tokens, partial(progressed, name)) for name, tokens in splits.items()}
    predictions = {task: predicted for task, (predicted, _) in found.items()}
    metrics = {
        name: model.tasks[task_of(name)].kind.metrics(predicted, splits[name].exact_labels)
        for name, predicted in predictions.items()
    }
    return Evaluated(metrics, predictions, {task: loss for task, (_, loss) in found.items()})


def task_of(name: str) -> str:
    """The task of a split that is called by it, or `task/NAME`."""
    return name.partition("/")[0]
