"""How well a model does: every task's predictions, its metrics, and its losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from mtk.calling.failures import broken, call
from mtk.data.tokens import TokenizedSplit, read_alike
from mtk.engine.processes import ALONE, Processes
from mtk.metrics import Metrics
from mtk.model.multitask import Answers, Model
from mtk.task import Task


class Evaluated(NamedTuple):
    """What is found out about a model."""

    metrics: Metrics
    predictions: dict[str, Tensor]  # task -> as its kind's labels are, on the host
    losses: dict[str, float]  # task -> mean loss of its logits
    probabilities: dict[str, Tensor]  # task -> of each label [n, labels], where its kind gives any of a whole text


def evaluate_splits(
    model: Model,
    splits: Mapping[str, TokenizedSplit],
    progressed: Callable[[str, int], object] = lambda task, done: None,
    processes: Processes = ALONE,
) -> Evaluated:
    """Evaluate each task's split, which has labels; a further one of a task has the name `task/NAME`. What the encoder reads
    alike in several it encodes once. `progressed` hears of every batch: the task, and its examples so far. Each of several
    `processes` evaluates its share of the rows."""
    found: dict[str, Answers] = {}
    for names in read_alike(splits):
        answered = partial(model.evaluate_splits, _of_tasks(splits, names))
        by_all = _by_all(processes, model, splits[names[0]], answered, _each(progressed, names))
        found |= zip(names, by_all, strict=True)
    found = {name: found[name] for name in splits}
    predictions = {name: answers.predictions for name, answers in found.items()}

    def metrics() -> Metrics:
        return {
            name: _metrics(model.tasks[task_of(name)], predicted, splits[name].exact_labels)
            for name, predicted in predictions.items()
        }

    losses = {name: answers.loss for name, answers in found.items()}
    likely = {name: answers.probabilities for name, answers in found.items() if answers.probabilities is not None}
    return Evaluated(processes.first(metrics), predictions, losses, likely)


def predicted_split(
    model: Model, task: str, tokens: TokenizedSplit, progressed: Callable[[int], object], processes: Processes = ALONE
) -> Tensor:
    """The task's predictions for a split, as `Model.predict_split` gives them, by all processes."""

    def predict(progressed: Callable[[int], object], rows: Sequence[int] | None, passes: int) -> list[Answers]:
        return [Answers(model.predict_split(task, tokens, progressed, rows, passes), None, 0.0)]

    return _by_all(processes, model, tokens, predict, progressed)[0].predictions


def _by_all(
    processes: Processes,
    model: Model,
    tokens: TokenizedSplit,
    answered: Callable[[Callable[[int], object], Sequence[int] | None, int], list[Answers]],
    progressed: Callable[[int], object],
) -> list[Answers]:
    """What a model says of the rows of one or more splits that are read as `tokens`, in their order: each row is `answered`
    by one process, of which each has rows of all lengths. Where they hold the encoder in parts, all make as many passes."""
    count, rows = processes.count, len(tokens)
    if count == 1:
        return answered(progressed, None, 0)
    order = sorted(range(rows), key=tokens.lengths.__getitem__, reverse=True)
    shares = [order[rank::count] for rank in range(count)]

    def told(done: int) -> None:  # as if the others were as far
        progressed(min(rows, done * count))

    own = shares[processes.rank]
    passes = max(processes.gathered(model.passes(tokens, own))) if processes.sharded else 0
    by_rank = processes.together(lambda: answered(told, own, passes))
    found = []
    for of_split in zip(*by_rank, strict=True):
        likely = [answers.probabilities for answers in of_split if answers.probabilities is not None]
        loss = sum(answers.loss * len(share) for share, answers in zip(shares, of_split, strict=True))
        predictions = _placed(rows, shares, [answers.predictions for answers in of_split])
        found.append(Answers(predictions, _placed(rows, shares, likely) if likely else None, loss / max(1, rows)))
    return found


def _placed(rows: int, shares: Sequence[Sequence[int]], given: Sequence[Tensor]) -> Tensor:
    """What was given for each share of the rows, in the rows' order; the last shares may be of none, and nothing given."""
    placed = torch.empty(rows, *given[0].shape[1:], dtype=given[0].dtype)
    for share, values in zip(shares, given, strict=False):
        if share:
            placed[share] = values
    return placed


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
