"""A loss or a gradient that is no finite number: the update is not made. The run ends with what is known of it, or, where it
was told to, leaves the step out and counts it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
import torch
from torch import Tensor

from mtk.data.shards import Tokens
from mtk.engine.gradients import Outcome
from mtk.errors import NonFiniteError

ROWS_SHOWN = 8
TOLD = 3  # skipped steps that are told one by one
MOST_IN_A_ROW = 100  # skipped steps after which nothing is learned any more

logger = logging.getLogger("mtk")


def update(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """One step of the optimizer, or none where the gradient is not finite. A fused optimizer finds that out on the device,
    without a wait; for another one the host asks."""
    if getattr(optimizer, "_step_supports_amp_scaling", False):  # torch's own word for it, in GradScaler too
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif finite:
        optimizer.step()


@contextmanager
def kept_from(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """What a step that is no number does to these tensors is undone, on their device and without a wait for it. Whether it
    was one, a tensor [] of bool, is put into the list by the block."""
    before = [(tensor, tensor.detach().clone()) for tensor in tensors if tensor.is_floating_point()]
    finite: list[Tensor] = []
    yield finite
    with torch.no_grad():
        for tensor, value in before:
            tensor.copy_(torch.where(finite[0], tensor, value))


class Skips(msgspec.Struct):
    """The steps that a run left out."""

    steps: int = 0
    last: int = 0  # the number of the last one
    in_a_row: int = 0  # those up to it, without one between them that made an update

    def add(self, step: int, found: NonFiniteError) -> None:
        """One more. Raises NonFiniteError where there were too many in a row."""
        self.in_a_row = self.in_a_row + 1 if step == self.last + 1 else 1
        self.steps, self.last = self.steps + 1, step
        if self.in_a_row == MOST_IN_A_ROW:
            raise NonFiniteError(f"{MOST_IN_A_ROW} steps in a row were left out, and nothing is learned any more. {found}")
        if self.steps <= TOLD:
            further = " What else is left out is counted." if self.steps == TOLD else ""
            logger.warning("%s It is left out.%s", found, further)

    def __str__(self) -> str:
        """As the end of a run tells it."""
        why = "a loss or a gradient was no finite number"
        if self.steps == 1:
            return f"step {self.last:,} was left out: {why}"
        return f"{self.steps:,} steps, the last of them {self.last:,}, were left out: {why}"


def describe(
    step: int, outcome: Outcome, examples: Mapping[str, Sequence[int]], train: Mapping[str, Tokens]
) -> NonFiniteError:
    """What went wrong in optimizer step `step`: which tasks' loss or gradient, on which rows."""
    losses = dict(zip(outcome.tasks, outcome.losses.tolist(), strict=True))
    unfit = [task for task, fits in zip(outcome.tasks, outcome.losses.isfinite().tolist(), strict=True) if not fits]
    told = ", ".join(f"{task} {loss:.4g}" for task, loss in losses.items())
    if unfit:
        what = f"the loss is no finite number ({told})"
    else:
        gradients = outcome.gramian
        if gradients is not None:
            squares = gradients.diagonal(dim1=-2, dim2=-1).reshape(-1, len(outcome.tasks)).sum(dim=0)
            unfit = [task for task, fits in zip(outcome.tasks, squares.isfinite().tolist(), strict=True) if not fits]
        unfit = unfit or list(outcome.tasks)
        what = f"the gradient is no finite number (losses {told})"
    where = "; ".join(_rows(task, examples[task], train[task]) for task in unfit)
    return NonFiniteError(
        f"Step {step}: {what}, and the update was not made. It was made on {where}. Try a lower --lr, --clip-norm 1 or "
        f"--precision fp32, and look at these rows."
    )


def _rows(task: str, examples: Sequence[int], tokens: Tokens) -> str:
    shown = ", ".join(tokens.ids[i] for i in examples[:ROWS_SHOWN])
    more = f" and {len(examples) - ROWS_SHOWN} more" if len(examples) > ROWS_SHOWN else ""
    return f"rows {shown}{more} of task {task} ({tokens.source})"
