"""From the losses of T tasks to the gradients an optimizer step needs, at the price of one backward pass over every task.

A head's parameters get their own task's gradient. The shared encoder gets what the combiner decides, and the engine does
no more work than the combiner's kind needs:

- an additive LossCombiner: one task's batch after the other, into the same gradients;
- any other LossCombiner: all forward passes, its scalar, one backward pass;
- a GramianCombiner or a GradientCombiner: one task's batch after the other, each into a row of its own.

Where rows are used, no graph outlives its task's backward pass; nothing ever waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner
from mtk.data.tokens import Batch
from mtk.model import Model
from mtk.promise import broken, calling, tensor

Parts = Sequence[Batch]
"""One task's batch, in as many parts as it is accumulated from."""


@dataclass(frozen=True)
class Outcome:
    """What one backward pass told, still on the device."""

    tasks: tuple[str, ...]
    losses: Tensor  # [T]
    gramian: Tensor | None  # [T, T], where the combiner needed it
    decision: Tensor | None  # what the combiner made of them: weights [T], or its gradient's norm []; None for a plain sum


# Columns of the matrix in one product of the Gramian. A skinny product of all columns at once is far from the memory's speed
# on a CPU: for 3 rows of MiniLM's 22.6 M, 44 ms at once and 16 ms in blocks, which is what reading them takes.
BLOCK = 16_384


class Rows:
    """A row of gradients for each task over the shared parameters, in one matrix [T, P]."""

    def __init__(self, parameters: Sequence[nn.Parameter], count: int) -> None:
        self.parameters = list(parameters)
        sizes = [p.numel() for p in self.parameters]
        self.matrix = torch.zeros(count, sum(sizes), device=self.parameters[0].device, dtype=self.parameters[0].dtype)
        self._views = [
            [part.view_as(p) for part, p in zip(row.split(sizes), self.parameters, strict=True)] for row in self.matrix
        ]
        self._sizes = sizes

    def take(self, row: int) -> None:
        """Move the gradients of the shared parameters to a row. A parameter without one contributes zero to it.

        A copy costs less than letting autograd add into the row: that would have to be cleared first, and read.
        """
        views, gradients = [], []
        for parameter, view in zip(self.parameters, self._views[row], strict=True):
            if parameter.grad is None:
                view.zero_()
            else:
                views.append(view)
                gradients.append(parameter.grad)
                parameter.grad = None
        torch._foreach_copy_(views, gradients)

    def gramian(self, count: int) -> Tensor:
        """The inner products [count, count] of the first rows."""
        matrix = self.matrix[:count]
        whole = matrix.shape[1] // BLOCK * BLOCK
        blocks = matrix[:, :whole].view(count, -1, BLOCK).transpose(0, 1)
        rest = matrix[:, whole:]
        gramian: Tensor = torch.bmm(blocks, blocks.transpose(1, 2)).sum(dim=0) + rest @ rest.T
        return gramian

    def combine(self, weights: Tensor) -> Tensor:
        """The weighted sum [P] of the first rows, in place of the first: with few rows that is nearer to the memory's speed
        than a product of vector and matrix."""
        first: Tensor = self.matrix[0].mul_(weights[0])
        for row in range(1, len(weights)):
            first.addcmul_(self.matrix[row], weights[row])
        return first

    def give(self, gradient: Tensor) -> None:
        """Let the gradients of the shared parameters be `gradient` [P]."""
        for parameter, part in zip(self.parameters, gradient.split(self._sizes), strict=True):
            parameter.grad = part.view_as(parameter)


_DECISIONS: dict[type[Combiner], tuple[str, str]] = {
    LossCombiner: ("scalarize", "a scalar with the derivatives"),
    GramianCombiner: ("weights", "the weights"),
    GradientCombiner: ("combine", "a gradient of norm"),
}


class Engine:
    """Fills in the gradients of a model for one step of one turn. What to do with them is the caller's."""

    def __init__(self, model: Model, combiner: Combiner) -> None:
        self.model = model
        self.combiner = combiner
        self._rows: Rows | None = None

    def backward(self, batches: Mapping[str, Parts]) -> Outcome:
        """Set the gradient of every parameter that the tasks of `batches` touch, and leave those of others as they are.
        The gradients of the last step must have been cleared."""
        tasks = tuple(batches)
        combiner = self.combiner
        gramian = decision = None
        if isinstance(combiner, LossCombiner) and combiner.additive:
            losses = torch.stack([self._backward(task, batches[task]) for task in tasks])
        elif isinstance(combiner, LossCombiner) and all(len(parts) == 1 for parts in batches.values()):
            losses, decision = self._backward_of_scalar(combiner, batches)
        else:
            losses, gramian, decision = self._backward_by_rows(batches)
        return Outcome(tasks, losses, gramian, decision)

    @torch.no_grad()
    def losses(self, batches: Mapping[str, Parts]) -> Tensor:
        """The tasks' losses [T] alone."""
        return torch.stack([torch.stack(list(self._shares(task, parts))).sum() for task, parts in batches.items()])

    def check(self, outcomes: Sequence[Outcome]) -> None:
        """Raises UsageError, naming the combiner, if it made something infinite or NaN of what was finite.
        Waits for the device: call it where something else does too."""
        decided = [(outcome, outcome.decision) for outcome in outcomes if outcome.decision is not None]
        if not decided or torch.cat([decision.flatten() for _, decision in decided]).isfinite().all():
            return
        method, gave = next(names for kind, names in _DECISIONS.items() if isinstance(self.combiner, kind))
        for outcome, decision in decided:
            given = outcome.losses if outcome.gramian is None else outcome.gramian
            if given.isfinite().all() and not decision.isfinite().all():
                reason = f"its {method} promises finite numbers, and gave {gave} {decision.tolist()}"
                raise broken(self.combiner, method, reason)

    def _shares(self, task: str, parts: Parts) -> Iterator[Tensor]:
        """What each part adds to the mean loss of a task's whole batch; a part passes the model when it is asked for."""
        examples = sum(map(len, parts))
        for part in parts:
            yield self.model.loss(task, part) * (len(part) / examples)

    def _backward(self, task: str, parts: Parts) -> Tensor:
        """The mean loss of a task's whole batch, its gradient added to what is there."""
        losses = []
        for share in self._shares(task, parts):
            share.backward()
            losses.append(share.detach())
        return torch.stack(losses).sum()

    def _backward_of_scalar(self, combiner: LossCombiner, batches: Mapping[str, Parts]) -> tuple[Tensor, Tensor]:
        scales = [torch.ones((), device=self.model.device) for _ in batches]
        graphs = [
            self.model.loss(task, parts[0], scale) for (task, parts), scale in zip(batches.items(), scales, strict=True)
        ]
        losses = torch.stack([loss.detach() for loss in graphs])
        slopes = _slopes(combiner, losses)
        for scale, share in zip(scales, slopes, strict=True):
            scale.copy_(share)
        torch.autograd.backward(graphs)
        return losses, slopes

    def _backward_by_rows(self, batches: Mapping[str, Parts]) -> tuple[Tensor, Tensor | None, Tensor]:
        combiner, rows = self.combiner, self._rows_for(len(batches))
        losses = []
        for row, (task, parts) in enumerate(batches.items()):
            losses.append(self._backward(task, parts))
            rows.take(row)
        matrix, gramian, stacked = rows.matrix[: len(batches)], None, torch.stack(losses)
        with torch.no_grad():
            if isinstance(combiner, GradientCombiner):
                with calling(combiner, "combine"):
                    gradient = combiner.combine(matrix)
                rows.give(tensor(combiner, "combine", gradient, matrix[0].shape, matrix.device))
                return stacked, None, torch.linalg.vector_norm(gradient)
            if isinstance(combiner, GramianCombiner):
                gramian = rows.gramian(len(batches))
                with calling(combiner, "weights"):
                    weights = combiner.weights(gramian)
                tensor(combiner, "weights", weights, stacked.shape, matrix.device)
        if isinstance(combiner, LossCombiner):
            weights = _slopes(combiner, stacked)
        rows.give(rows.combine(weights.detach().to(matrix.dtype)))
        return stacked, gramian, weights

    def _rows_for(self, count: int) -> Rows:
        if self._rows is None:
            shared = [p for p in self.model.encoder.parameters() if p.requires_grad]
            self._rows = Rows(shared, max(len(turn) for turn in self.combiner.turns()))
        assert count <= len(self._rows.matrix)
        return self._rows


def _slopes(combiner: LossCombiner, losses: Tensor) -> Tensor:
    """The gradient of the combiner's scalar by the losses [T]; its own parameters receive theirs on the way."""
    losses = losses.clone().requires_grad_()
    with calling(combiner, "scalarize"):
        scalar = combiner.scalarize(losses)
        tensor(combiner, "scalarize", scalar, (), losses.device).backward()
    if losses.grad is None:
        raise broken(combiner, "scalarize", "its scalarize does not depend on the losses")
    return losses.grad
