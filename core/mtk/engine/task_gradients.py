"""A row of gradients for each task over the shared parameters: where they are kept, multiplied and added up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from mtk.engine.embedding_gradients import EmbeddingGradients
from mtk.engine.gramian import STRETCH, gramian
from mtk.engine.processes import ALONE, Processes
from mtk.engine.sharding import as_part, own_part


class TaskGradients:
    """`count` rows of gradients over the parameters of `layers`: one matrix, of which a parameter's rows are a view, and a
    layer's are neighbouring columns.

    A parameter in `tables` is an embedding table with many entries, of which one step uses few. Its rows are kept for the
    used entries alone, as `EmbeddingGradients` says, and have no columns in the matrix.

    A step begins with `clear`, fills in some rows by `take`, or by `add` and `EmbeddingGradients.add`, and lets them make up
    the parameters' gradient by a `give…`. When that is used, `release` it.

    Of several processes each has rows of its own until `add_up` makes them the sums of all, of which a process then holds a
    stretch: it multiplies and adds up the columns that are its own, and `processes` bring together what comes of it. That is
    the traffic of T reduce-scatters, T·T numbers and one gather: (T + 1) / 2 times that of one gradient's sum.

    Of parameters that are sharded the columns are those of this process's part: the sums of all, as they come.
    """

    def __init__(
        self,
        layers: Mapping[str, Sequence[nn.Parameter]],
        count: int,
        tables: Collection[nn.Parameter] = (),
        processes: Processes = ALONE,
    ) -> None:
        self.layers = tuple(layers)
        self.parameters = [p for members in layers.values() for p in members]
        shapes = {p: own_part(p).shape for p in self.parameters}
        self._widths = [sum(shapes[p].numel() for p in members) for members in layers.values()]
        self.tables = {p: EmbeddingGradients(p) for p in self.parameters if p in tables}
        self._tables_of = [[self.tables[p] for p in members if p in tables] for members in layers.values()]
        dense = [p for p in self.parameters if p not in tables]
        sizes = [shapes[p].numel() for p in dense]
        self._processes, self._width = processes, sum(sizes)
        columns = -(-self._width // processes.count) * processes.count  # so that each process owns as many
        self.matrix = torch.zeros(count, columns, device=dense[0].device, dtype=dense[0].dtype)
        self._own = processes.own(columns)
        widths = [sum(shapes[p].numel() for p in members if p not in tables) for members in layers.values()]
        self._columns = [slice(end - width, end) for width, end in zip(widths, accumulate(widths), strict=True)]
        parts = self.matrix[:, : self._width].split(sizes, dim=1)
        self._views = {p: part.unflatten(1, shapes[p]) for p, part in zip(dense, parts, strict=True)}
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
                gradients.append(own_part(parameter.grad))
                parameter.grad = None
                self._touched.add(parameter)
                self._written.add((parameter, row))
        if views:
            torch._foreach_copy_(views, gradients)

    def add(self, parameter: nn.Parameter, row: int, gradient: Tensor) -> None:
        """Add what a parameter gets from one task."""
        self._touched.add(parameter)
        view = self._views[parameter][row]
        _put(view, gradient, self._first(parameter, row))

    def add_product(self, parameter: nn.Parameter, row: int, left: Tensor, right: Tensor) -> None:
        """Add a matrix product to what a matrix gets from one task: with no memory in between, where the types allow it."""
        self._touched.add(parameter)
        view = self._views[parameter][row]
        first = self._first(parameter, row)
        if left.dtype == view.dtype:
            torch.mm(left, right, out=view) if first else view.addmm_(left, right)
        elif left.device.type == "cuda" and first:
            torch.mm(left, right, out_dtype=view.dtype, out=view)
        else:
            _put(view, _product(left, right, view.dtype), first)

    def add_sums(self, parameter: nn.Parameter, rows: Sequence[int], members: Tensor, values: Tensor) -> None:
        """Add to each of `rows` the sum of those of the `values` [tokens, …] that `members` [len(rows), tokens] has ones
        for: one product for all of them."""
        self.add_all(parameter, rows, _product(members, values, self._views[parameter].dtype))

    def add_all(self, parameter: nn.Parameter, rows: Sequence[int], gradients: Tensor) -> None:
        """Add to each of `rows` what a parameter gets from one task, of `gradients` [len(rows), *shape]."""
        self._touched.add(parameter)
        view = self._views[parameter]
        firsts = [self._first(parameter, row) for row in rows]
        if all(firsts) and list(rows) == list(range(len(rows))):
            view[: len(rows)].copy_(gradients)
            return
        for row, first, found in zip(rows, firsts, gradients, strict=True):
            _put(view[row], found, first)

    def told(self) -> tuple[list[int], int]:
        """What other processes have to know before `add_up`: which parameters a task gave a gradient, by their numbers, and
        how many entries of tables were looked up."""
        touched = [number for number, parameter in enumerate(self.parameters) if parameter in self._touched]
        return touched, max((table.looked_up for table in self.tables.values()), default=0)

    def add_up(self, count: int, told: Sequence[tuple[list[int], int]]) -> None:
        """Let the first rows be the sums of those of all processes, of which each has `told` what it has."""
        self._touched = {self.parameters[number] for touched, _ in told for number in touched}
        for row in self._complete(count):
            self._processes.scatter(row)
        for table in self.tables.values():
            table.exchange(self._processes, max(looked_up for _, looked_up in told), count)

    def kept(self, count: int) -> list[Tensor]:
        """All that the first rows are made of, or this process's stretch of it, to be changed in place."""
        return [self._complete(count)[:, self._own], *(table.gathered(count) for table in self.tables.values())]

    def gramian(self, count: int) -> Tensor:
        """The inner products [count, count] of the first rows."""
        products = gramian(self._complete(count)[:, self._own])
        self._processes.sum([products])
        for table in self.tables.values():
            products = products + table.gramian(count)
        return products

    def gramians(self, count: int) -> Tensor:
        """The same in each layer, [L, count, count]. Their sum over the layers is `gramian`."""
        matrix = self._complete(count)
        products = torch.stack([gramian(matrix[:, self._own_of(columns)]) for columns in self._columns])
        self._processes.sum([products])
        for of_layer, tables in zip(products, self._tables_of, strict=True):
            for table in tables:
                of_layer.add_(table.gramian(count))
        return products

    def gradients(self, count: int) -> Tensor:
        """The first rows over all parameters in their order [count, P], entries without a gradient included."""
        matrix = self._complete(count)
        for row in matrix:
            self._processes.gather(row)
        if not self.tables:
            return matrix[:, : self._width]
        return torch.cat([self.of(p, count).flatten(1) for p in self.parameters], dim=1)

    def products(self, rows: Tensor, gradient: Tensor, *, by_layer: bool) -> Tensor:
        """The inner products [count + 1] of a gradient [P] with each of `rows` [count, P], which `gradients` gave, and last
        with itself; or by layer [L, count + 1]."""
        sizes = self._widths if by_layer else [len(gradient)]
        parts = zip(rows.split(sizes, dim=1), gradient.split(sizes), strict=True)
        found = torch.stack([torch.cat([of_rows @ own, (own @ own)[None]]) for of_rows, own in parts])
        return found if by_layer else found[0]

    def of(self, parameter: nn.Parameter, count: int) -> Tensor:
        """The first rows [count, *shape] of one parameter."""
        self._complete(count)
        return self.tables[parameter].full(count) if parameter in self.tables else self._views[parameter][:count]

    def give_combined(self, weights: Tensor) -> None:
        """Let the weighted sum of the first rows be the parameters' gradient; `weights` [count], or [L, count] for a sum of
        its own in each layer. A parameter that no task gave a gradient has none.

        The sum is made in place of the first row. With few rows that is nearer to the memory's speed than a product of
        vector and matrix.
        """
        matrix = self._complete(weights.shape[-1])
        if weights.ndim == 1:
            _add_up(matrix[:, self._own], weights)
        else:
            for columns, of_layer in zip(self._columns, weights, strict=True):
                _add_up(matrix[:, self._own_of(columns)], of_layer)
        self._processes.gather(matrix[0])
        for parameter, rows in self._views.items():
            parameter.grad = as_part(rows[0], parameter) if parameter in self._touched else None
        for tables, of_layer in zip(self._tables_of, weights.expand(len(self.layers), -1), strict=True):
            for table in tables:
                table.give(of_layer)

    def give(self, gradient: Tensor) -> None:
        """Let the gradients of the parameters be `gradient` [P], but for those that no task gave one."""
        sizes = [p.numel() for p in self.parameters]
        for parameter, part in zip(self.parameters, gradient.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter) if parameter in self._touched or parameter in self.tables else None

    def _own_of(self, columns: slice) -> slice:
        """Those of the columns that this process adds up."""
        begin = max(columns.start, self._own.start)
        return slice(begin, max(begin, min(columns.stop, self._own.stop)))

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


def _put(view: Tensor, value: Tensor, first: bool) -> None:
    """Add a value to what is there, which is the last step's before what comes first."""
    if first:
        view.copy_(value)
    else:
        view.add_(value)


def _product(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """A matrix product in this type, which on a GPU is that of its sums, whatever the factors' own is."""
    if left.dtype != dtype and left.device.type == "cuda":
        return torch.mm(left, right, out_dtype=dtype)
    return left @ right


def _add_up(matrix: Tensor, weights: Tensor) -> None:
    """Make the first row the weighted sum of all: on a CPU a stretch after the other, which stays in the cache meanwhile."""
    for stretch in matrix.split(STRETCH, dim=1) if matrix.device.type == "cpu" else [matrix]:
        first = stretch[0].mul_(weights[0])
        for row, weight in zip(stretch[1:], weights[1:], strict=True):
            first.addcmul_(row, weight)
