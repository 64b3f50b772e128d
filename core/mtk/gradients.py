"""From the losses of T tasks to the gradients an optimizer step needs, at the price of one backward pass over every task.

A head's parameters get their own task's gradient. The shared encoder gets what the combiner decides, and the engine does
no more work than the combiner's kind needs: one gradient, where a LossCombiner says all before the backward pass; else a
row of its own for each task, and then the rows' Gramian, or the rows themselves.

Where the encoder allows it, all tasks pass it at once, in the packed form of `mtk.packing`. Else they do so one after the
other, the plain way, and no graph outlives its task's backward pass. Nothing ever waits for the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner
from mtk.data.tokens import Batch
from mtk.model import Model
from mtk.packing import Packing
from mtk.promise import broken, calling, tensor
from mtk.rows import Rows

Parts = Sequence[Batch]
"""One task's batch, in as many parts as it is accumulated from."""


@dataclass(frozen=True)
class Outcome:
    """What one backward pass told, still on the device."""

    tasks: tuple[str, ...]
    losses: Tensor  # [T]
    gramian: Tensor | None  # [T, T], where the combiner needed it
    decision: Tensor | None  # what the combiner made of them: weights [T], or its gradient's norm []; None for a plain sum


_DECISIONS: dict[type[Combiner], tuple[str, str]] = {
    LossCombiner: ("scalarize", "a scalar with the derivatives"),
    GramianCombiner: ("weights", "the weights"),
    GradientCombiner: ("combine", "a gradient of norm"),
}


class Engine:
    """Fills in the gradients of a model for one step of one turn. What to do with them is the caller's.

    The gradient of encoder and heads together is made no longer than `clip_norm`, if that is not 0. `packed` is whether to
    use the packed form: None for where the encoder allows it.
    """

    def __init__(self, model: Model, combiner: Combiner, *, clip_norm: float = 0.0, packed: bool | None = None) -> None:
        self.model = model
        self.combiner = combiner
        self.clip_norm = clip_norm
        self.packed = packed
        self._packing: Packing | None = None
        self._rows: Rows | None = None

    def backward(self, batches: Mapping[str, Parts]) -> Outcome:
        """Set the gradient of every parameter that the tasks of `batches` touch, and leave those of others as they are.
        The gradients of the last step must have been released."""
        combiner, tasks = self.combiner, tuple(batches)
        if self.packed is None:
            first = next(iter(batches.values()))[0]
            self.packed = self.model.encoder.packs([name for name in first.inputs if name != "attention_mask"])
        if isinstance(combiner, LossCombiner) and (combiner.additive or all(len(parts) == 1 for parts in batches.values())):
            return Outcome(tasks, *self._one_gradient(combiner, batches))
        return Outcome(tasks, *self._a_gradient_each(batches))

    def release(self) -> None:
        """The gradients have been used: clear them, the heads' included."""
        if self._rows:
            self._rows.release()
        self.model.zero_grad(set_to_none=True)

    @torch.no_grad()
    def losses(self, batches: Mapping[str, Parts]) -> Tensor:
        """The tasks' losses [T] alone."""
        return torch.cat([self._passed({task: parts}, backward=False) for task, parts in batches.items()])

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

    def _one_gradient(self, combiner: LossCombiner, batches: Mapping[str, Parts]) -> tuple[Tensor, None, Tensor | None]:
        """Losses [T] and, if it is not the plain sum, their slopes [T]. The encoder gets the gradient of the scalar."""
        rows = self._cleared_rows(1) if self.packed else None
        slopes = None
        if not combiner.additive:
            scales = [torch.ones((), device=self.model.device) for _ in batches]
            graphs = self._forward({task: parts[0] for task, parts in batches.items()}, [0] * len(batches), scales)
            losses = torch.stack([loss.detach() for loss in graphs])
            slopes = _slopes(combiner, losses)
            for scale, slope in zip(scales, slopes, strict=True):
                scale.copy_(slope)
            torch.autograd.backward(graphs)
        elif self.packed:
            losses = self._passed(batches)
        else:
            losses = torch.cat([self._passed({task: parts}) for task, parts in batches.items()])
        if rows:
            self._give(rows, torch.ones(1, device=losses.device))
        elif self.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        return losses, None, slopes

    def _a_gradient_each(self, batches: Mapping[str, Parts]) -> tuple[Tensor, Tensor | None, Tensor]:
        """Losses [T], the Gramian [T, T] where it is needed, and what was decided. The encoder gets that of the rows."""
        combiner, count = self.combiner, len(batches)
        rows = self._cleared_rows(count)
        if self.packed:
            losses = self._passed(batches, row_of=range(count))
        else:
            one_by_one = []
            for row, (task, parts) in enumerate(batches.items()):
                one_by_one.append(self._passed({task: parts}))
                rows.take(row)
            losses = torch.cat(one_by_one)
        gramian = None
        with torch.no_grad():
            if isinstance(combiner, GradientCombiner):
                gradients = rows.gradients(count)
                with calling(combiner, "combine"):
                    gradient = combiner.combine(gradients)
                tensor(combiner, "combine", gradient, gradients[0].shape, gradients.device)
                norm = torch.linalg.vector_norm(gradient)
                rows.give(gradient * self._clipped(norm) if self.clip_norm else gradient)
                return losses, None, norm
            if isinstance(combiner, GramianCombiner):
                gramian = rows.gramian(count)
                with calling(combiner, "weights"):
                    weights = combiner.weights(gramian)
                tensor(combiner, "weights", weights, losses.shape, losses.device)
        if isinstance(combiner, LossCombiner):
            weights = _slopes(combiner, losses)
        self._give(rows, weights.detach(), gramian)
        return losses, gramian, weights

    @torch.no_grad()
    def _give(self, rows: Rows, weights: Tensor, gramian: Tensor | None = None) -> None:
        """Let the weighted sum of the rows be the encoder's gradient. Its norm follows from the Gramian, so that clipping
        costs no further pass over it."""
        weights = weights.to(rows.matrix.dtype)
        if self.clip_norm:
            gramian = rows.gramian(len(weights)) if gramian is None else gramian
            weights = weights * self._clipped((weights @ gramian @ weights).clamp_min(0).sqrt())
        rows.give_combined(weights)

    def _clipped(self, norm: Tensor) -> Tensor:
        """Clip the heads' gradients, and what that of the encoder, which is `norm` long, is to be multiplied with."""
        heads = [p for p in self.model.heads.parameters() if p.grad is not None]
        total = torch.hypot(norm, nn.utils.get_total_norm([p.grad for p in heads if p.grad is not None]))
        nn.utils.clip_grads_with_norm_(heads, self.clip_norm, total)
        return (self.clip_norm / (total + 1e-6)).clamp_max(1)

    def _passed(self, batches: Mapping[str, Parts], row_of: Sequence[int] | None = None, *, backward: bool = True) -> Tensor:
        """The mean losses [T] of the tasks' whole batches, their gradients added to what is there: the tasks together, part
        after part."""
        row_of = row_of or [0] * len(batches)
        losses = {task: torch.zeros((), device=self.model.device) for task in batches}
        for number in range(max(map(len, batches.values()))):
            turn = {task: parts[number] for task, parts in batches.items() if number < len(parts)}
            given = self._forward(
                turn, [row for row, parts in zip(row_of, batches.values(), strict=True) if number < len(parts)]
            )
            shares = [
                loss * (len(part) / sum(map(len, batches[task])))
                for (task, part), loss in zip(turn.items(), given, strict=True)
            ]
            if backward:
                torch.autograd.backward(shares)
            for task, share in zip(turn, shares, strict=True):
                losses[task] = losses[task] + share.detach()
        return torch.stack(list(losses.values()))

    def _forward(
        self, batches: Mapping[str, Batch], row_of: Sequence[int], scales: Sequence[Tensor | None] | None = None
    ) -> list[Tensor]:
        """The tasks' losses, with their graphs."""
        model, scales = self.model, scales or [None] * len(batches)
        if not (self.packed and torch.is_grad_enabled()):
            return [model.loss(task, batch, scale) for (task, batch), scale in zip(batches.items(), scales, strict=True)]
        assert self._packing and self._rows
        with model.computing():
            states = self._packing([batch.inputs for batch in batches.values()], self._rows, row_of)
            losses = []
            for (task, batch), tokens, scale in zip(batches.items(), states, scales, strict=True):
                encoding = model.encoder.encoding(tokens, batch.inputs["attention_mask"], scale)
                losses.append(model.tasks[task].kind.loss(model.logits(task, batch, encoding), batch.labels))
            return losses

    def _cleared_rows(self, count: int) -> Rows:
        """At least so many rows."""
        if self._rows is None or len(self._rows.matrix) < count:
            encoder = self.model.encoder
            if self.packed:
                self._packing = Packing(encoder.backbone)
            shared = [p for p in encoder.parameters() if p.requires_grad]
            tables = self._packing.tables if self._packing else ()
            self._rows = Rows(shared, count, tables)
        self._rows.clear()
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
