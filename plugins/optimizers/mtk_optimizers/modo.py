"""MoDo: MGDA's weights, followed over the steps without the bias of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.simplex import nearest


class MoDo(mtk.GramianCombiner):
    """Chen, Fernando, Ying and Chen 2024, "Three-Way Trade-Off in Multi-Objective Learning: Optimization, Generalization and
    Conflict-Avoidance", JMLR, algorithm 1: double sampling.

    Weights on the simplex step along the gradient of |sum_i w_i g_i|² / 2, in which the two factors are the gradients of two
    halves of the batch: so the step is right in the mean. The encoder gets the weighted gradient of both.

    Options: `gamma`, the step size of the weights; `rho`, a squared penalty on them.
    """

    declares = frozenset({"permutation-equivariant", "single-task-identity"})
    shares: Tensor

    def __init__(
        self, tasks: Sequence[str], *, gamma: Annotated[float, Meta(gt=0)] = 0.1, rho: Annotated[float, Meta(ge=0)] = 0.1
    ) -> None:
        super().__init__(tasks)
        self.gamma = gamma
        self.rho = rho
        self.register_buffer("shares", torch.full((len(tasks),), 1 / len(tasks)))

    def weights(self, gramian: Tensor, cross: Tensor) -> Tensor:
        slope = cross.to(self.shares.dtype) @ self.shares + self.rho * self.shares
        self.shares.copy_(nearest(self.shares - self.gamma * slope))
        return self.shares.to(gramian.dtype, copy=True)
