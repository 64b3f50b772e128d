"""From the losses of T tasks to the gradients an optimizer step needs, at the price of one backward pass over every task.

A head's parameters get their own task's gradient. The shared encoder gets what the combiner decides, and the engine does
no more work than the combiner's kind needs:

- an additive LossCombiner: one task's batch after the other, into the same gradients;
- any other LossCombiner: all forward passes, its scalar, one backward pass;
- a GramianCombiner or a GradientCombiner: one task's batch after the other, each into a row of its own.

No graph outlives its task's backward pass where rows are used, nothing is flattened or copied afterwards, and nothing
waits for the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Rows:
    """A row of gradients for each task over the shared parameters, in one matrix [T, P]: while a row is open, autograd
    adds right into it."""

    def __init__(self, parameters: Sequence[nn.Parameter], count: int) -> None:
        self.parameters = list(parameters)
        sizes = [p.numel() for p in self.parameters]
        self.matrix = torch.zeros(count, sum(sizes), device=self.parameters[0].device, dtype=self.parameters[0].dtype)
        self._views = [
            [part.view_as(p) for part, p in zip(row.split(sizes), self.parameters, strict=True)] for row in self.matrix
        ]
        self._sizes = sizes

    def open(self, row: int) -> None:
        """Let the gradients of the shared parameters be this row, from zero: a parameter that a task does not touch
        contributes zero to it."""
        self.matrix[row].zero_()
        for parameter, view in zip(self.parameters, self._views[row], strict=True):
            parameter.grad = view

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
        return torch.stack(
            [
                torch.stack([self.model.loss(task, part) * (len(part) / sum(map(len, parts))) for part in parts]).sum()
                for task, parts in batches.items()
            ]
        )

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

    def _backward(self, task: str, parts: Parts) -> Tensor:
        """The mean loss of a task's whole batch, its gradient added to what is there."""
        examples = sum(map(len, parts))
        losses = []
        for part in parts:
            loss = self.model.loss(task, part) * (len(part) / examples)
            loss.backward()
            losses.append(loss.detach())
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
            rows.open(row)
            losses.append(self._backward(task, parts))
        matrix, gramian, stacked = rows.matrix[: len(batches)], None, torch.stack(losses)
        with torch.no_grad():
            if isinstance(combiner, GradientCombiner):
                with calling(combiner, "combine"):
                    gradient = combiner.combine(matrix)
                rows.give(tensor(combiner, "combine", gradient, matrix[0].shape, matrix.device))
                return stacked, None, torch.linalg.vector_norm(gradient)
            if isinstance(combiner, GramianCombiner):
                gramian = matrix @ matrix.T
                with calling(combiner, "weights"):
                    weights = combiner.weights(gramian)
                tensor(combiner, "weights", weights, stacked.shape, matrix.device)
        if isinstance(combiner, LossCombiner):
            weights = _slopes(combiner, stacked)
        rows.give(weights.to(matrix.dtype) @ matrix)
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
