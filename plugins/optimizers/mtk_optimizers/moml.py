"""MOML: weights that learn from what each task's step does for the worst-off task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from mtk_optimizers.adam import AdamWeights
from mtk_optimizers.simplex import shortest


class MOML(AdamWeights):
    """Ye, Lin, Yue, Guo, Xiao and Zhang 2021, "Multi-Objective Meta Learning", NeurIPS, algorithm 1, with one inner step, of
    no length.

    The weights are T times the softmax of numbers that learn by Adam. Each task's loss on one half of the batch, after a
    step along the weighted gradients of the other half, has a slope by these numbers. The slopes are made equally
    long, as in the authors' code for classification and in LibMTL, and the numbers go along their shortest convex
    combination, MGDA's. For a short step task j's loss has the slope -<a_i, b_j> by weight i, which needs no second copy of
    the model. The paper takes held-out data.

    Options: `rate`, with which the numbers learn.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(self, tasks: Sequence[str], *, rate: Annotated[float, Meta(ge=0)] = 1e-3) -> None:
        super().__init__(tasks, 0.0)
        self.rate = rate

    def weights(self, gramian: Tensor, cross: Tensor) -> Tensor:
        shares = self.learned.double().softmax(dim=0)
        of_weights = -cross.double().T  # task j's slope by the weights, in row j
        slopes = shares * (of_weights - (of_weights @ shares).unsqueeze(1))
        lengths = slopes.norm(dim=1, keepdim=True)
        slopes = torch.where(lengths > 0, slopes / torch.where(lengths > 0, lengths, 1), 0)
        self.learn(shortest(slopes @ slopes.T) @ slopes, self.rate)
        return len(shares) * self.learned.softmax(dim=0).to(gramian.dtype)
