"""LDC-MTL: learned weights that make the losses equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

import mtk


class LDCMTL(mtk.LossCombiner):
    """Xiao, Dong, Zou and Ji 2025, "LDC-MTL: Balancing Multi-Task Learning through Scalable Loss Discrepancy Control",
    arXiv:2502.08585, algorithm 1.

    A bilevel problem in a single level: the losses l weighted by w, sum_i w_i l_i / sum_i w_i, and how unlike they are,
    sum_i |w_i l_i - w_(i+1) l_(i+1)|, over tasks beside each other. The weights are the sigmoid of learned numbers, as in
    the authors' code for CelebA, and learn with the heads; in the sum below the fraction they count as constant. Each loss
    is divided by how many times the smallest it was in the first step.

    Options: `discrepancy`, the share of the second part.
    """

    declares = frozenset({"scale-equivariant", "single-task-identity"})
    first: Tensor

    def __init__(self, tasks: Sequence[str], *, discrepancy: Annotated[float, Meta(ge=0)] = 0.01) -> None:
        super().__init__(tasks)
        self.discrepancy = discrepancy
        self.learned = nn.Parameter(torch.ones(len(tasks)))
        self.register_buffer("first", torch.ones(len(tasks)))  # the losses [T] of the first step

    def scalarize(self, losses: Tensor, step: mtk.Step) -> Tensor:
        tiny = torch.finfo(losses.dtype).eps ** 2
        self.first.copy_(torch.where(step.number == 0, step.losses, self.first).clamp_min(tiny))
        weights = self.learned.sigmoid()
        weighted = weights * losses * (self.first.min() / self.first)
        return weighted.sum() / weights.sum().detach() + self.discrepancy * weighted.diff().abs().sum()
