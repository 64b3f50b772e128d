from __future__ import annotations

import torch
from torch import Tensor

import mtk

RIDGE = 1e-10  # of the cosines, below what float32 tells of them: gradients that depend on each other have an inverse then


class LogIMTL(mtk.GramianCombiner):
    """The balance of gradients of Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang 2021, "Towards Impartial Multi-task
    Learning", ICLR, section 3.1, for the logarithms of the losses, as Dai, Fei and Lu 2023, "Improvable Gap Balancing for
    Multi-Task Learning", UAI, combine it with their scale-invariant losses.

    The gradient of log L_i is g_i / L_i. Of these gradients, the affine combination is taken whose projections on all of
    them are equal.
    """

    declares = frozenset({"permutation-equivariant"})

    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        scale = 1 / step.losses.double().clamp_min(1e-12)
        weights = scale * impartial(gramian.double() * torch.outer(scale, scale))
        return weights.to(gramian.dtype)


def impartial(gramian: Tensor) -> Tensor:
    """gramian [T, T], float64 -> weights [T], with the sum 1, of the combination with equal projections on all unit
    gradients; a gradient of zero is left out."""
    lengths = gramian.diagonal().clamp_min(0).sqrt()
    shrink = torch.where(lengths > 0, 1 / lengths, 0)
    cosines = gramian * torch.outer(shrink, shrink)
    cosines = cosines + torch.diag(torch.where(lengths > 0, RIDGE, 1))
    inverse, _ = torch.linalg.inv_ex(cosines)
    weights = inverse.sum(dim=1) * shrink
    total = weights.sum()
    return torch.where(total.abs() > 1e-12 * weights.abs().sum(), weights / total, 0)
