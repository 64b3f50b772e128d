"""UW-SO: weights of learned uncertainty, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk


class UWSO(mtk.LossCombiner):
    """Kirchdorfer, Elich, Kutsche, Stuckenschmidt, Schott and Köhler 2024, "Analytical Uncertainty-Based Loss Weighting in
    Multi-Task Learning", GCPR: soft optimal uncertainty weighting.

    The weights that uw would learn, were it given the time, are the inverse losses; here they are the softmax of those.

    Options: `temperature`, at which the weights are nearly equal if it is high.
    """

    declares = frozenset({"permutation-equivariant", "single-task-identity"})

    def __init__(self, tasks: Sequence[str], *, temperature: Annotated[float, Meta(gt=0)] = 1.0) -> None:
        super().__init__(tasks)
        self.temperature = temperature

    def scalarize(self, losses: Tensor, step: mtk.Step) -> Tensor:
        inverse = 1 / step.losses.clamp_min(torch.finfo(losses.dtype).tiny ** 0.5)
        return ((inverse / self.temperature).softmax(dim=0) * losses).sum()
