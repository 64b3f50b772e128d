"""SAM-GS: gradients of unlike lengths are made equally long, and others follow their momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.tracking import Tracking


class SAMGS(Tracking):
    """Borsani, Rosani, Nicosia and Di Fatta 2025, "Gradient Similarity Surgery in Multi-Task Deep Learning",
    arXiv:2506.06130, algorithm 1: Similarity-Aware Momentum Gradient Surgery.

    How alike two gradients are in length is 2 |g_i| |g_j| / (|g_i|² + |g_j|²). Where the mean of that over all pairs is
    below `gamma`, all are made as long as they are in the mean, and added up. Else each entry of each gradient is multiplied
    by the size of its momentum, over the root of how unlike the lengths have been, and these are added up.

    Options: `gamma`; `momentum`, the share of the past in the gradients' average; `beta2`, in that of the unlikeness.
    """

    declares = frozenset({"permutation-equivariant"})
    unlike: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        gamma: Annotated[float, Meta(ge=0, le=1)] = 0.1,
        momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.9,
        beta2: Annotated[float, Meta(ge=0, lt=1)] = 0.99,
    ) -> None:
        super().__init__(tasks)
        self.gamma = gamma
        self.momentum = momentum
        self.beta2 = beta2
        self.register_buffer("unlike", torch.zeros(()))

    def combine(self, gradients: Tensor, step: mtk.Step) -> Tensor:
        lengths = gradients.norm(dim=1, keepdim=True)
        alike = mean_likeness(lengths.squeeze(1))
        made = (step.number + 1).to(gradients.dtype)
        followed = self.track(gradients, gradients.new_full((), 1 - self.momentum)) / (1 - self.momentum**made)
        self.unlike.copy_(self.beta2 * self.unlike + (1 - self.beta2) * (1 - alike) ** 2 + 1e-8)
        unlike = (self.unlike / (1 - self.beta2**made)).sqrt()
        equalised = gradients / torch.where(lengths > 0, lengths, 1) * lengths.mean()
        modulated = gradients * followed.abs() / unlike
        return torch.where(alike < self.gamma, equalised, modulated).sum(dim=0)


def mean_likeness(lengths: Tensor) -> Tensor:
    """lengths [T] -> how alike two of them are, in the mean [], from 0 to 1; two of zero are alike."""
    count = len(lengths)
    if count == 1:
        return torch.ones_like(lengths[0])
    unit = lengths / torch.where(lengths.max() > 0, lengths.max(), 1)
    squares = unit**2
    both = squares.unsqueeze(0) + squares.unsqueeze(1)
    likeness = torch.where(both > 0, 2 * unit.unsqueeze(0) * unit.unsqueeze(1) / torch.where(both > 0, both, 1), 1)
    return (likeness.sum() - likeness.diagonal().sum()) / (count * (count - 1))
