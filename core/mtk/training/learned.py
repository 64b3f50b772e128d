"""Whether each task was learned at all: whether its loss moved, and whether its score is better than that of a guess.

The loss of a task counts as moved where its mean in the last quarter of the run's steps is below that in the first one by
more than twice the standard error of their difference. A score is better than a guess where it is above that of the best
constant answer by more than twice the standard error which that has on so many rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec
from torch import Tensor

from mtk.calling.failures import call
from mtk.events import Evaluation
from mtk.task import Task

ERRORS = 2.0  # standard errors that count as a difference
FEWEST = 3  # steps that have a mean with an error


class Mean(msgspec.Struct):
    """That of numbers as they come."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count, self.total, self.squares = self.count + 1, self.total + value, self.squares + value * value

    @property
    def value(self) -> float:
        return self.total / self.count

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        variance = max(0.0, self.squares - self.total * self.total / self.count) / (self.count - 1)
        return math.sqrt(variance / self.count)


class Movement(msgspec.Struct):
    """The losses of one task at both ends of a run."""

    first: Mean = msgspec.field(default_factory=Mean)
    last: Mean = msgspec.field(default_factory=Mean)

    def add(self, share: float, loss: float) -> None:
        """A step's, when that `share` of the run was done."""
        if share < 1 / 4:
            self.first.add(loss)
        elif share >= 3 / 4:
            self.last.add(loss)

    def __str__(self) -> str:
        """What is wrong with it; nothing where it moved, or there were too few steps to tell."""
        if min(self.first.count, self.last.count) < FEWEST:
            return ""
        error = ERRORS * math.hypot(self.first.error, self.last.error)
        if self.first.value - self.last.value > error:
            return ""
        return (
            f"its loss did not move: {self.first.value:.4f} in the first quarter of the steps, {self.last.value:.4f} in the "
            f"last (± {error:.4f}). Look at its labels, its head, and the rates"
        )


def guessed(task: Task, labels: Tensor, evaluation: Evaluation) -> str:
    """What is wrong with a task's score on rows with these labels [n]; nothing where it is better than a guess, or its kind
    does not say what a guess is."""
    metric, score = next(iter(evaluation.metrics[task.name].items()))
    guess = call(task.kind, "guess", labels=labels.cpu()) if len(labels) else None
    if guess is None or metric != task.kind.metric_names[0]:
        return ""
    value, error = guess
    if score > value + ERRORS * error:
        return ""
    return f"its {metric}, {score:.4f}, is no better than that of a guess, {value:.4f} (± {ERRORS * error:.4f})"


def notes(movements: Mapping[str, Movement], guesses: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each task that seems not to be learned: of its loss, and of its score."""
    found = [(task, str(movement)) for task, movement in movements.items()] + list(guesses)
    return [f"{task}: {what}" for task, what in found if what]
