"""SDMGrad: the worst-off task, held near a direction, without the bias of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.simplex import nearest

TINY = 1e-8  # the authors'


class SDMGrad(mtk.GramianCombiner):
    """Xiao, Ban and Ji 2023, "Direction-oriented Multi-objective Learning: Simple and Provable Stochastic Algorithms",
    NeurIPS, algorithm 1.

    With g_0 the mean gradient, w on the simplex is followed to where |sum_i w_i g_i + strength g_0|² is the least, and the
    encoder gets that sum over 1 + strength. The two factors of the square are the gradients of two halves of the batch, and
    are measured by their mean length; of both together is the sum.

    Options: `strength`, the paper's lambda: how far towards the mean gradient; `rate`, `momentum` and `steps` of the descent
    to w, in each step of training.
    """

    declares = frozenset({"permutation-equivariant", "single-task-identity"})
    shares: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        strength: Annotated[float, Meta(ge=0)] = 0.3,
        rate: Annotated[float, Meta(gt=0)] = 10.0,
        momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.5,
        steps: Annotated[int, Meta(ge=1)] = 20,
    ) -> None:
        super().__init__(tasks)
        self.strength, self.rate, self.momentum, self.steps = strength, rate, momentum, steps
        self.register_buffer("shares", torch.full((len(tasks),), 1 / len(tasks)))

    def weights(self, gramian: Tensor, cross: Tensor) -> Tensor:
        cross = cross.to(self.shares.dtype)
        length = cross.diagonal().clamp_min(0).sqrt().mean()
        unit = cross / (length**2 + TINY)
        pull = self.strength / len(cross)
        shares, speed = self.shares, torch.zeros_like(self.shares)
        for _ in range(self.steps):
            speed = self.momentum * speed + unit @ (shares + pull)
            shares = nearest(shares - self.rate * speed)
        self.shares.copy_(shares)
        return ((shares + pull) / (1 + self.strength)).to(gramian.dtype)
