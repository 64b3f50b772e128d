"""A task's batch in two halves, each with a row of gradients of its own: what a combiner is given that names `cross`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Halves:
    """`sizes` are the examples of each part of each task's batch; `of_all`, those of every process, where there are several,
    which each have their share of a batch. The first of a process's parts are of one half, the others of the other one; a
    task that has nothing in the second one has the same in both.

    Of 2 T rows, the first T hold the first halves, the others the second ones. Each is a half's share of the gradient of the
    whole batch, so that the two add up to that.
    """

    def __init__(self, sizes: Sequence[Sequence[int]], of_all: Sequence[Sequence[Sequence[int]]] | None = None) -> None:
        self._sizes = sizes
        self._examples = [0] * 2 * len(sizes)  # of each row
        for of_one in of_all or [sizes]:
            for task, parts in enumerate(of_one):
                for number, examples in enumerate(parts):
                    self._examples[_row(task, number, len(parts), len(sizes))] += examples

    def row(self, task: int, part: int) -> int:
        """The row of a part of a task's batch."""
        return _row(task, part, len(self._sizes[task]), len(self._sizes))

    def split(self, task: int, parts: Sequence[T]) -> dict[int, list[T]]:
        """The parts of a task's batch by their rows."""
        rows: dict[int, list[T]] = {}
        for number, part in enumerate(parts):
            rows.setdefault(self.row(task, number), []).append(part)
        return rows

    def together(self, gramian: Tensor) -> Tensor:
        """gramian [..., 2 T, 2 T] of the rows -> that of the tasks [..., T, T]."""
        count = len(self._sizes)
        first, second = gramian.split(count, dim=-2)
        return sum((*first.split(count, dim=-1), *second.split(count, dim=-1)), start=gramian.new_zeros(()))

    def cross(self, gramian: Tensor) -> Tensor:
        """The same -> the products of the first halves' mean gradients and the second halves' [..., T, T]."""
        count = len(self._sizes)
        seconds = [task + count if self._examples[task + count] else task for task in range(count)]
        products = torch.stack([gramian[..., :count, second] for second in seconds], dim=-1)
        shares = [self._share(task, task) for task in range(count)]
        others = [self._share(task, second) for task, second in enumerate(seconds)]
        return products / _filled(shares, gramian).unsqueeze(-1) / _filled(others, gramian)

    def of_rows(self, weights: Tensor) -> Tensor:
        """weights [..., T] of the tasks -> those of the rows [..., 2 T]."""
        return torch.cat([weights, weights], dim=-1)

    def of_tasks(self, products: Tensor) -> Tensor:
        """products [..., 2 T + 1] of something with each row, and one more -> those with the gradients of the tasks
        [..., T + 1]."""
        count = len(self._sizes)
        first, second, last = products.split([count, count, 1], dim=-1)
        return torch.cat([first + second, last], dim=-1)

    def _share(self, task: int, row: int) -> float:
        """Of a task's examples, that of the ones in a row."""
        return self._examples[row] / (self._examples[task] + self._examples[task + len(self._sizes)])


def _row(task: int, part: int, parts: int, tasks: int) -> int:
    return task + (tasks if parts > 1 and part >= parts // 2 else 0)


def _filled(values: Sequence[float], like: Tensor) -> Tensor:
    """The values as a tensor: filled in and not copied, which a recorded step could not do."""
    return torch.cat([like.new_full((1,), value) for value in values])
