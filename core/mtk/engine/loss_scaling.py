"""fp16 has no numbers below 6·10⁻⁸ and none above 65,504: so losses are multiplied by a scale before the backward pass, and
gradients divided by it after, as torch.amp.GradScaler does it (Micikevicius et al., "Mixed Precision Training", ICLR 2018,
section 3.2).

There is one scale for all tasks, and it is gone before a combiner sees anything: it is a power of two, so Gramians are
those of the gradients themselves. Where a gradient is too large for fp16, the step is skipped and the next one has half
the scale; after 2,000 steps without that it is doubled. Nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

FIRST, SMALLEST, PATIENCE = 2.0**16, 1.0, 2_000  # steps until the scale is doubled; the first and the last as in torch


class LossScaling(nn.Module):
    """The scale and what it was made of, which a checkpoint keeps."""

    scale: Tensor  # []
    calm: Tensor  # [], int64: steps since it changed
    skipped: Tensor  # [], int64: steps of the run that were skipped

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.register_buffer("scale", torch.full((), FIRST, device=device))
        self.register_buffer("calm", torch.zeros((), dtype=torch.int64, device=device))
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64, device=device))

    @torch.no_grad()
    def unscale(self, gradients: Sequence[Tensor]) -> Tensor:
        """Divide gradients by the scale, in place; whether all of them are finite [], bool."""
        unfit = torch.zeros((), device=self.scale.device)
        if found := [gradient for gradient in gradients if gradient.numel()]:
            torch._amp_foreach_non_finite_check_and_unscale_(found, unfit, self.scale.reciprocal())
        return unfit == 0

    @torch.no_grad()
    def update(self, losses: Tensor, sound: Tensor) -> Tensor:
        """A step was made with losses [T] and gradients that were `sound`, or not. Whether it is to be skipped, [], bool:
        the losses are finite, the gradients are not, and a smaller scale is left to try. What is no number for another
        reason will not become one so, and is the caller's."""
        overflowed = losses.isfinite().all() & ~sound & (self.scale > SMALLEST)
        calm = torch.where(overflowed, 0, self.calm + 1)
        grown = torch.where(calm >= PATIENCE, 2 * self.scale, self.scale)
        self.scale.copy_(torch.where(overflowed, self.scale / 2, grown))
        self.calm.copy_(torch.where(calm >= PATIENCE, 0, calm))
        self.skipped.add_(overflowed)
        return overflowed
