"""A row of gradients for each task over the shared parameters: where they are kept, multiplied and added up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

# See `_gramian`.
BLOCK, STRETCH, FEW_ROWS = 16_384, 524_288, 4


class Rows:
    """`count` rows of gradients over `parameters`: one matrix, of which a parameter's rows are a view.

    A parameter in `tables` is an embedding table with many entries, of which one step uses few. Its rows are kept for the
    used entries alone, as `Table` says, and have no columns in the matrix.

    A step begins with `clear`, fills in some rows by `take`, or by `add` and `Table.add`, and lets them make up the
    parameters' gradient by a `give…`. When that is used, `release` it.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], count: int, tables: Collection[nn.Parameter] = ()) -> None:
        self.parameters = list(parameters)
        self.tables = {p: Table(p) for p in parameters if p in tables}
        dense = [p for p in parameters if p not in tables]
        sizes = [p.numel() for p in dense]
        self.matrix = torch.zeros(count, sum(sizes), device=dense[0].device, dtype=dense[0].dtype)
        self._views = {p: part.unflatten(1, p.shape) for p, part in zip(dense, self.matrix.split(sizes, dim=1), strict=True)}
        self._touched: set[nn.Parameter] = set()  # parameters that any task gave a gradient in this step
        self._written: set[tuple[nn.Parameter, int]] = set()  # what of the matrix is this step's

    def clear(self) -> None:
        """Forget the last step's rows. Nothing is erased: what comes first overwrites."""
        self._touched.clear()
        self._written.clear()
        for table in self.tables.values():
            table.clear()

    def release(self) -> None:
        """The parameters' gradient is not needed any more."""
        for parameter in self.parameters:
            parameter.grad = None
        for table in self.tables.values():
            table.release()

    def take(self, row: int) -> None:
        """Move the gradients of the parameters to a row; there are no tables then.

        A copy costs less than letting autograd add into the row: that would have to be cleared first, and read.
        """
        views, gradients = [], []
        for parameter, rows in self._views.items():
            if parameter.grad is not None:
                views.append(rows[row])
                gradients.append(parameter.grad)
                parameter.grad = None
                self._touched.add(parameter)
                self._written.add((parameter, row))
        torch._foreach_copy_(views, gradients)

    def add(self, parameter: nn.Parameter, row: int, gradient: Tensor) -> None:
        """Add what a parameter gets from one task."""
        self._touched.add(parameter)
        view = self._views[parameter][row]
        if self._first(parameter, row):
            view.copy_(gradient)
        else:
            view.add_(gradient)

    def add_product(self, parameter: nn.Parameter, row: int, left: Tensor, right: Tensor) -> None:
        """Add a matrix product to what a matrix gets from one task: with no memory in between, where the types allow it."""
        self._touched.add(parameter)
        view = self._views[parameter][row]
        if left.dtype != view.dtype:
            self.add(parameter, row, left @ right)
        elif self._first(parameter, row):
            torch.mm(left, right, out=view)
        else:
            view.addmm_(left, right)

    def gramian(self, count: int) -> Tensor:
        """The inner products [count, count] of the first rows."""
        gramian = _gramian(self._complete(count))
        for table in self.tables.values():
            gramian = gramian + table.gramian(count)
        return gramian

    def gradients(self, count: int) -> Tensor:
        """The first rows over all parameters in their order [count, P], entries without a gradient included."""
        matrix = self._complete(count)
        if not self.tables:
            return matrix
        return torch.cat([self.of(p, count).flatten(1) for p in self.parameters], dim=1)

    def of(self, parameter: nn.Parameter, count: int) -> Tensor:
        """The first rows [count, *shape] of one parameter."""
        self._complete(count)
        return self.tables[parameter].full(count) if parameter in self.tables else self._views[parameter][:count]

    def give_combined(self, weights: Tensor) -> None:
        """Let the weighted sum of the first rows be the parameters' gradient; `weights` [count]. A parameter that no task
        gave a gradient has none.

        The sum is made in place of the first row. With few rows that is nearer to the memory's speed than a product of
        vector and matrix.
        """
        matrix = self._complete(len(weights))
        first = matrix[0].mul_(weights[0])
        for row in range(1, len(weights)):
            first.addcmul_(matrix[row], weights[row])
        for parameter, rows in self._views.items():
            parameter.grad = rows[0] if parameter in self._touched else None
        for table in self.tables.values():
            table.give(weights)

    def give(self, gradient: Tensor) -> None:
        """Let the gradients of the parameters be `gradient` [P], but for those that no task gave one."""
        sizes = [p.numel() for p in self.parameters]
        for parameter, part in zip(self.parameters, gradient.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter) if parameter in self._touched or parameter in self.tables else None

    def _first(self, parameter: nn.Parameter, row: int) -> bool:
        first = (parameter, row) not in self._written
        self._written.add((parameter, row))
        return first

    def _complete(self, count: int) -> Tensor:
        """The first rows of the matrix, with zeros where a task gave a parameter nothing."""
        for parameter, rows in self._views.items():
            for row in range(count):
                if self._first(parameter, row):
                    rows[row].zero_()
        return self.matrix[:count]


class Table:
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


def _gramian(matrix: Tensor) -> Tensor:
    """matrix @ matrix.T for a few very long rows, at the speed of the memory: one product of all columns is far from it.

    On a CPU, 3 rows of 10.7 M take 18 ms in one product, 9 ms in a batch of blocks that fit the second cache, and 6.5 ms as
    inner products over stretches that fit the third, which is the better the fewer rows there are.
    """
    count, columns = matrix.shape
    if matrix.is_cuda or count > FEW_ROWS:
        whole = columns // BLOCK * BLOCK
        blocks, rest = matrix[:, :whole].view(count, -1, BLOCK).transpose(0, 1), matrix[:, whole:]
        gramian: Tensor = torch.bmm(blocks, blocks.transpose(1, 2)).sum(dim=0) + rest @ rest.T
        return gramian
    inner = [
        torch.dot(stretch[i], stretch[j])
        for stretch in matrix.split(STRETCH, dim=1)
        for i in range(count)
        for j in range(i + 1)
    ]
    lower = torch.tril_indices(count, count)
    gramian = matrix.new_zeros(count, count)
    gramian[lower[0], lower[1]] = torch.stack(inner).view(-1, lower.shape[1]).sum(dim=0)
    return gramian + gramian.tril(-1).T
