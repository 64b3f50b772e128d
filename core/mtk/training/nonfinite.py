"""A loss or a gradient that is no finite number: the update is not made, and the run ends with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtk.data.tokens import TokenizedSplit
from mtk.engine.gradients import Outcome
from mtk.errors import NonFiniteError

ROWS_SHOWN = 8


def update(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """One step of the optimizer, or none where the gradient is not finite. A fused optimizer finds that out on the device,
    without a wait; for another one the host asks."""
    if getattr(optimizer, "_step_supports_amp_scaling", False):  # torch's own word for it, in GradScaler too
        optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif finite:
        optimizer.step()


def describe(
    step: int, outcome: Outcome, examples: Mapping[str, Sequence[int]], train: Mapping[str, TokenizedSplit]
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


def _rows(task: str, examples: Sequence[int], tokens: TokenizedSplit) -> str:
    shown = ", ".join(tokens.ids[i] for i in examples[:ROWS_SHOWN])
    more = f" and {len(examples) - ROWS_SHOWN} more" if len(examples) > ROWS_SHOWN else ""
    return f"rows {shown}{more} of task {task} ({tokens.source})"
