from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk


class DWA(mtk.LossCombiner):
    """Liu, Johns and Davison 2019, "End-to-End Multi-Task Learning with Attention", CVPR, equation 7: dynamic weight
    average.

    A task whose mean loss fell less from the last but one period to the last than the others' weighs more:
    w = T softmax(r / temperature), with r the last period's mean losses over those of the one before. A period is the
    paper's epoch. In the first two, and where a loss was 0, all weights are 1.

    Options: `temperature`, at which the weights are nearly equal if it is high; `period`, in steps.
    """

    declares = frozenset({"permutation-equivariant"})
    steps: Tensor
    sums: Tensor
    means: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        temperature: Annotated[float, Meta(gt=0)] = 2.0,
        period: Annotated[int, Meta(ge=1)] = 100,
    ) -> None:
        super().__init__(tasks)
        self.temperature, self.period = temperature, period
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))  # of this period
        self.register_buffer("sums", torch.zeros(len(tasks)))  # of the losses in it
        self.register_buffer("means", torch.zeros(2, len(tasks)))  # of the last period but one, and of the last

    def scalarize(self, losses: Tensor) -> Tensor:
        over = self.steps == self.period
        self.means.copy_(torch.where(over, torch.stack([self.means[1], self.sums / self.period]), self.means))
        self.sums.copy_(torch.where(over, 0, self.sums) + losses.detach())
        self.steps.copy_(torch.where(over, 0, self.steps) + 1)

        before, last = self.means
        is_known = (before > 0).all()
        rates = last / torch.where(is_known, before, 1)
        weights = torch.where(is_known, len(losses) * (rates / self.temperature).softmax(dim=0), 1)
        return (weights * losses).sum()
