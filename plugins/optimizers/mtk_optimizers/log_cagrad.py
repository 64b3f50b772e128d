"""CAGrad for the logarithms of the losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.cagrad import averse


class LogCAGrad(mtk.GramianCombiner):
    """CAGrad of Liu, Liu, Jin, Stone and Liu 2021, "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS, for
    the logarithms of the losses, as Dai, Fei and Lu 2023, "Improvable Gap Balancing for Multi-Task Learning", UAI, combine
    it with their scale-invariant losses.

    The gradient of log L_i is g_i / L_i. As in the authors' code, the direction that CAGrad makes of these is divided by
    1 + c², and taken times the number of tasks.

    Options: as those of cagrad.
    """

    declares = frozenset({"permutation-equivariant"})

    def __init__(
        self, tasks: Sequence[str], *, c: Annotated[float, Meta(ge=0)] = 0.4, norm_eps: Annotated[float, Meta(ge=0)] = 1e-4
    ) -> None:
        super().__init__(tasks)
        self.c = c
        self.norm_eps = norm_eps

    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        scale = 1 / step.losses.double().clamp_min(1e-12)
        weights = averse(gramian.double() * scale.unsqueeze(-1) * scale, self.c, self.norm_eps)
        return (len(scale) / (1 + self.c**2) * scale * weights).to(gramian.dtype)
