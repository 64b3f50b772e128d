from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.scale_invariant import logarithm


class IGB(mtk.LossCombiner):
    """Dai, Fei and Lu 2023, "Improvable Gap Balancing for Multi-Task Learning", UAI: IGBv1, the version without
    reinforcement learning.

    A task's improvable gap is its loss as a share of what it was early in training. The gaps' softmax, times the number of
    tasks, weighs the logarithms of the losses. Up to the end of the second period all weights are 1; in it the early losses
    are averaged, as the authors' code does in its second epoch.

    Options: `period`, the steps of an epoch.
    """

    declares = frozenset({"permutation-equivariant"})
    early: Tensor

    def __init__(self, tasks: Sequence[str], *, period: Annotated[int, Meta(ge=1)] = 100) -> None:
        super().__init__(tasks)
        self.period = period
        self.register_buffer("early", torch.zeros(len(tasks)))  # the mean loss [T] of the second period, as it grows

    def scalarize(self, losses: Tensor, step: mtk.Step) -> Tensor:
        number = step.number
        second = (number >= self.period) & (number < 2 * self.period)
        gaps = step.losses / self.early.clamp_min(torch.finfo(losses.dtype).eps ** 2)
        weights = torch.where(number >= 2 * self.period, len(losses) * gaps.softmax(dim=0), 1)
        self.early.add_(torch.where(second, step.losses / self.period, 0))
        return (weights * logarithm(losses)).sum()
