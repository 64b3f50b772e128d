"""MGDA for the logarithms of the losses."""

from __future__ import annotations

from torch import Tensor

import mtk
from mtk_optimizers.simplex import shortest


class LogMGDA(mtk.GramianCombiner):
    """MGDA of Désidéri 2012, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", Comptes Rendus
    Mathématique, for the logarithms of the losses, as Dai, Fei and Lu 2023, "Improvable Gap Balancing for Multi-Task
    Learning", UAI, combine it with their scale-invariant losses.

    The gradient of log L_i is g_i / L_i. The shortest convex combination of these gradients is taken, times the number of
    tasks. It is found to rounding by a primal-dual interior-point method, in a fixed number of steps on the device.
    """

    declares = frozenset({"permutation-equivariant"})

    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        scale = 1 / step.losses.double().clamp_min(1e-12)
        of_logarithms = gramian.double() * scale.unsqueeze(-1) * scale
        return (len(scale) * scale * shortest(of_logarithms)).to(gramian.dtype)
