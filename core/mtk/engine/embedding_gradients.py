"""The gradients of an embedding table with many entries, of which one step uses few."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtk.engine.processes import Processes

IDS = 4  # numbers of 4 bytes that go with a row: an entry and a task


class EmbeddingGradients:
    """The gradients of an embedding table [entries, width], by task, for the entries that were looked up.

    Tasks look up n ids in all. Their gradients are gathered in n places, one for each distinct id and the rest left at
    zero: so every shape is known without asking the device how many are distinct.
    """

    def __init__(self, parameter: nn.Parameter) -> None:
        self._parameter = parameter
        self._lookups: list[tuple[Tensor, Tensor, Tensor]] = []
        self._gathered: tuple[Tensor, Tensor] | None = None  # rows [count, n, width] and entries [n]
        self._gradient: Tensor | None = None
        self._touched: Tensor | None = None  # the entries of the gradient that are not zero

    def clear(self) -> None:
        self._lookups.clear()
        self._gathered = None

    def add(self, ids: Tensor, rows: Tensor, gradients: Tensor) -> None:
        """What came back from a lookup: `ids` [n], of which row's task each is, `rows` [n], and `gradients` [n, width]."""
        self._lookups.append((ids, rows, gradients))

    @property
    def looked_up(self) -> int:
        """How many ids were."""
        return sum(len(ids) for ids, _, _ in self._lookups)

    def exchange(self, processes: Processes, most: int, count: int) -> None:
        """Let the rows of `count` tasks be those of all processes, of which one looked up at most so many ids. What is sent
        are the rows that were touched; a process with fewer adds some of no gradient. Where that would be more than whole
        tables, as with many processes, these are summed."""
        table, n = self._parameter, self.looked_up
        if is_more_than_whole(most, processes.count, count, table):
            rows = self.full(count) if n else table.new_zeros(count, *table.shape)
            processes.sum([rows])
            self._gathered = rows, torch.arange(len(table), device=table.device)
            return
        ids, rows = (torch.zeros(most, dtype=torch.int64, device=table.device) for _ in range(2))
        gradients = torch.zeros(most, table.shape[1], dtype=table.dtype, device=table.device)
        if self._lookups:
            own = map(torch.cat, zip(*self._lookups, strict=True))
            for whole, part in zip((ids, rows, gradients), own, strict=True):
                whole[:n] = part
        everybodys = (processes.stacked(part).flatten(0, 1) for part in (ids, rows, gradients))
        self._lookups = [tuple(everybodys)]  # type: ignore[list-item]
        self._gathered = None

    def gathered(self, count: int) -> Tensor:
        """The rows as they are kept [count, n, width]; what is done to them in place is done to the gradients."""
        return self._gather(count)[0]

    def gramian(self, count: int) -> Tensor:
        """The inner products [count, count] of the rows."""
        entries = self._gather(count)[0].flatten(1)
        return entries @ entries.T

    def full(self, count: int) -> Tensor:
        """The rows [count, entries, width] of the whole table."""
        rows, entries = self._gather(count)
        return rows.new_zeros(count, *self._parameter.shape).index_add_(1, entries, rows)

    def give(self, weights: Tensor) -> None:
        """Let the weighted sum of the rows be the table's gradient; `weights` [count]. Its zeros are written once."""
        self.release()
        rows, entries = self._gather(len(weights))
        if self._gradient is None:
            self._gradient = torch.zeros_like(self._parameter)
        self._touched = entries
        self._parameter.grad = self._gradient.index_add_(0, entries, torch.tensordot(weights, rows, dims=1))

    def release(self) -> None:
        """Clear what was given, in the step that gave it: the next one, if it is a recording, knows nothing of this one."""
        if self._touched is not None and self._gradient is not None:
            self._gradient.index_fill_(0, self._touched, 0)
        self._touched = None

    def _gather(self, count: int) -> tuple[Tensor, Tensor]:
        """The rows [count, n, width] by place, and the entry [n] that each place stands for: any, where one is left over."""
        if self._gathered is None:
            ids, rows, gradients = map(torch.cat, zip(*self._lookups, strict=True))
            ordered, order = ids.sort()
            begins = torch.ones_like(ordered)
            begins[1:] = ordered[1:] != ordered[:-1]
            place = torch.empty_like(ids).scatter_(0, order, begins.cumsum(0) - 1)
            entries = torch.zeros_like(ids).scatter_(0, place, ids)
            # embedding's own backward, as it adds up in the same order each time
            sums = torch.ops.aten.embedding_dense_backward(gradients, rows * len(ids) + place, count * len(ids), -1, False)
            self._gathered = sums.view(count, len(ids), -1), entries
        return self._gathered


def is_more_than_whole(most: int, processes: int, count: int, table: Tensor) -> bool:
    """Whether so many lookups, sent by each process to each other one, are more than a sum of `count` whole tables."""
    entries, width = table.shape
    return processes * most * (width + IDS) > 2 * count * entries * width
