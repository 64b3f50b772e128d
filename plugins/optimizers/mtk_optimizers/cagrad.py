"""CAGrad: the worst-off task, within a ball around the mean gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.simplex import least_with_length

FEW = 8  # tasks, of which all sets are tried; there are 2^T
RIDGE = 1e-12  # of the Gramian's trace: sets of gradients that depend on each other have a solution then


class CAGrad(mtk.GramianCombiner):
    """Liu, Liu, Jin, Stone and Liu 2021, "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS, algorithm 1.

    Of the directions within a ball around the mean gradient g_0, the one that improves the worst-off task most: g_0 +
    c |g_0| g_w / |g_w|, where the convex combination g_w makes g_w @ g_0 + c |g_0| |g_w| the least. That is found exactly,
    on the device.

    Options: `c`, the ball's radius as a share of the mean gradient's length; `norm_eps`, the length of g_w, as a share of
    the gradients' together, below which the mean gradient is taken: no direction is worse for some task then.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant"})

    def __init__(
        self, tasks: Sequence[str], *, c: Annotated[float, Meta(ge=0)] = 0.5, norm_eps: Annotated[float, Meta(ge=0)] = 1e-4
    ) -> None:
        super().__init__(tasks)
        self.c = c
        self.norm_eps = norm_eps

    def weights(self, gramian: Tensor) -> Tensor:
        return averse(gramian.double(), self.c, self.norm_eps).to(gramian.dtype)


def averse(gramian: Tensor, c: float, norm_eps: float) -> Tensor:
    """gramian [T, T], float64 -> weights [T] of g_0 + c |g_0| g_w / |g_w|."""
    trace = gramian.trace()
    unit = gramian / torch.where(trace > 0, trace, 1)
    radius = c * unit.mean().clamp_min(0).sqrt()
    return beside_the_mean(unit, worst_off(unit, unit.mean(dim=1), radius), radius, norm_eps)


def beside_the_mean(gramian: Tensor, chosen: Tensor, radius: Tensor, norm_eps: float) -> Tensor:
    """gramian [T, T], convex weights [T] and radius [], float64 -> the weights [T] of the mean gradient, and of what is so
    long in the direction of that combination; of the mean gradient alone where the combination is shorter than norm_eps."""
    length = (chosen @ gramian @ chosen).clamp_min(0).sqrt()
    beside = (length >= norm_eps) & (length > 0) & (radius > 0)
    return 1 / len(gramian) + torch.where(beside, radius / torch.where(beside, length, 1) * chosen, 0)


def worst_off(gramian: Tensor, linear: Tensor, radius: Tensor) -> Tensor:
    """gramian [T, T], linear [T] and radius [], float64 -> the convex weights w [T] that make linear @ w + radius |w| the
    least, |w| the length of the combination."""
    return _of_few(gramian, linear, radius) if len(gramian) <= FEW else least_with_length(gramian, linear, radius)


def _of_few(gramian: Tensor, linear: Tensor, radius: Tensor) -> Tensor:
    """Where it is known which weights are above zero, the others follow from a quadratic equation: so each set is tried."""
    count = len(gramian)
    numbers = torch.arange(1, 2**count, device=gramian.device).unsqueeze(1)
    sets = ((numbers >> torch.arange(count, device=gramian.device)) & 1).to(gramian.dtype)  # [S, T]
    identity = torch.eye(count, dtype=gramian.dtype, device=gramian.device)
    sound = gramian + RIDGE * gramian.trace() * identity
    among = sets.unsqueeze(2) * sets.unsqueeze(1) * sound + identity * (1 - sets).unsqueeze(1)
    solved, _ = torch.linalg.solve_ex(among, torch.stack([sets, sets * linear], dim=-1))
    of_ones, of_linear = solved.unbind(dim=-1)
    a, b, c = (sets * of_ones).sum(dim=1), (sets * of_linear).sum(dim=1), (sets * of_linear * linear).sum(dim=1)
    root = (b * b - a * (c - radius * radius)).sqrt()  # of the equation for the least improvement
    weights = sets * (((b + root) / a).unsqueeze(1) * of_ones - of_linear) / root.unsqueeze(1)
    allowed = (weights >= -1e-9).all(dim=1)
    weights = weights.clamp_min(0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    worth = weights @ linear + radius * ((weights @ gramian) * weights).sum(dim=1).clamp_min(0).sqrt()
    best = torch.where(allowed & worth.isfinite(), worth, torch.inf).argmin(dim=0, keepdim=True)
    found = weights.index_select(0, best).squeeze(0)
    return torch.where(found.isfinite().all(), found, 1 / count)
