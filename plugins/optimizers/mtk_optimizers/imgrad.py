"""IMGrad: cagrad that looks to the worst-off task the more, the more the gradients are out of balance."""

from __future__ import annotations

import torch
from torch import Tensor

from mtk_optimizers.cagrad import CAGrad, beside_the_mean, worst_off
from mtk_optimizers.simplex import shortest

LEAST = 1e-8  # that the radius is taken for, of the gradients' length together


class IMGrad(CAGrad):
    """Zhou, Liu, Zhao and Gong 2025, "Injecting Imbalance Sensitivity for Multi-Task Learning", IJCAI.

    CAGrad's problem with the imbalance in it, which is the cosine of the mean gradient g_0 and MGDA's: the convex
    combination g_w makes (1.5 - cosine) g_w @ g_0 + cosine c |g_0| |g_w| the least. As in the authors' code, the direction
    g_0 + c |g_0| g_w / |g_w| is divided by 1 + c², and taken times the number of tasks.

    Options: as those of cagrad.
    """

    def weights(self, gramian: Tensor) -> Tensor:
        exact = gramian.double()
        trace = exact.trace()
        unit = exact / torch.where(trace > 0, trace, 1)
        mean = unit.mean(dim=1)
        length = mean.mean().clamp_min(0).sqrt()
        safest = shortest(unit)
        lengths = length * (safest @ unit @ safest).clamp_min(0).sqrt()
        cosine = torch.where(lengths > 0, safest @ mean / torch.where(lengths > 0, lengths, 1), 0).clamp(0, 1)
        chosen = worst_off(unit, (1.5 - cosine) * mean, (cosine * self.c * length).clamp_min(LEAST))
        weights = beside_the_mean(unit, chosen, self.c * length, self.norm_eps)
        return (len(unit) / (1 + self.c**2) * weights).to(gramian.dtype)
