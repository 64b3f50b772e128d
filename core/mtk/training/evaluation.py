"""How well a model does: every task's predictions, its metrics, and its losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from mtk.calling.failures import broken, call
from mtk.data.tokens import TokenizedSplit, read_alike
from mtk.metrics import Metrics
from mtk.model.multitask import Model
from mtk.task import Task


class Evaluated(NamedTuple):
    """What is found out about a model."""

    metrics: Metrics
    predictions: dict[str, Tensor]  # task -> as its kind's labels are, on the host
    losses: dict[str, float]  # task -> mean loss of its logits


def evaluate_splits(
    model: Model,
    splits: Mapping[str, TokenizedSplit],
    progressed: Callable[[str, int], object] = lambda task, done: None,
) -> Evaluated:
    """Evaluate each task's split, which has labels; a further one of a task has the name `task/NAME`. What the encoder reads
    alike in several it encodes once. `progressed` hears of every batch: the task, and its examples so far."""
    found: dict[str, tuple[Tensor, float]] = {}
    for names in read_alike(splits):
        found |= zip(names, model.evaluate_splits(_of_tasks(splits, names), _each(progressed, names)), strict=True)
    found = {name: found[name] for name in splits}
    predictions = {task: predicted for task, (predicted, _) in found.items()}
    metrics = {
        name: _metrics(model.tasks[task_of(name)], predicted, splits[name].exact_labels)
        for name, predicted in predictions.items()
    }
    return Evaluated(metrics, predictions, {task: loss for task, (_, loss) in found.items()})


def _metrics(task: Task, predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """Those of the task's kind, that which counts first. Raises UsageError where the kind gives others than it promises."""
    kind = task.kind
    found = call(kind, "metrics", predictions=predictions, labels=labels)
    if not (isinstance(found, dict) and found.keys() == set(kind.metric_names)):
        raise broken(kind, "metrics", f"its metrics promise {', '.join(kind.metric_names)}, and gave {found!r}")
    first = task.score or kind.metric_names[0]
    return {first: float(found[first])} | {name: float(found[name]) for name in kind.metric_names}


def _of_tasks(splits: Mapping[str, TokenizedSplit], names: Sequence[str]) -> list[tuple[str, TokenizedSplit]]:
    return [(task_of(name), splits[name]) for name in names]


def _each(progressed: Callable[[str, int], object], names: Sequence[str]) -> Callable[[int], None]:
    def told(done: int) -> None:
        for name in names:
            progressed(name, done)

    return told


def task_of(name: str) -> str:
    """The task of a split that is called by it, or `task/NAME`."""
    return name.partition("/")[0]
