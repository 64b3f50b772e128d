"""ConicGrad: the worst-off task, within a cone around the mean gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.cagrad import worst_off
from mtk_optimizers.simplex import shortest

TINY = 1e-9  # of the gradients' lengths together


class ConicGrad(mtk.GramianCombiner):
    """Hassanpour, Janjua, Zhang, Lavasani, Zhang, Zhou and Gao 2025, "Fantastic Multi-Task Gradient Updates and How to Find
    Them In a Cone", arXiv:2502.00217, section 3: its problem, solved exactly.

    Of the directions whose cosine with the mean gradient g_0 is `c` or more, the one that improves the worst-off task most,
    as long as g_0. Where each of them makes some task worse, or none better, it is g_0. The paper takes a step towards the
    solution's weights in each step of training.

    Options: `c`, the cosine; at 1 it is the mean gradient.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(self, tasks: Sequence[str], *, c: Annotated[float, Meta(gt=0, le=1)] = 0.5) -> None:
        super().__init__(tasks)
        self.c = c

    def weights(self, gramian: Tensor) -> Tensor:
        return in_cone(gramian.double(), self.c).to(gramian.dtype)


def in_cone(gramian: Tensor, c: float) -> Tensor:
    """gramian [T, T], float64 -> weights [T].

    The least, over the convex combinations v, of how far a unit vector in the cone can go along v, is what the worst-off
    task gains. That is |v| for v in the cone, and so MGDA's v is the answer if it is there; else it is what a vector of
    cosine c gains, c times v's part along g_0 and sqrt(1 - c²) times its part beside it.
    """
    count = len(gramian)
    trace = gramian.trace()
    gramian = gramian / torch.where(trace > 0, trace, 1)
    mean = gramian.mean(dim=1)
    length = mean.mean().clamp_min(0).sqrt()
    along = torch.where(length > 0, mean / torch.where(length > 0, length, 1), 0)  # each gradient's part along g_0
    beside = gramian - torch.outer(along, along)
    sine = (1 - c * c) ** 0.5

    inner = shortest(gramian)
    square = (inner @ gramian @ inner).clamp_min(0)
    is_inside = (inner @ along >= c * square.sqrt()) & (square > TINY)

    outer = worst_off(beside, c * along, beside.new_full((), sine)) if sine else torch.full_like(along, 1 / count)
    apart = (outer @ beside @ outer).clamp_min(0).sqrt()
    gains = (c * outer @ along + sine * apart > TINY) & (apart > TINY)
    tilt = torch.where(gains, sine * length / torch.where(gains, apart, 1), 0)
    shift = torch.where(length > 0, outer @ along / torch.where(length > 0, length, 1), 0)  # its part along g_0, in g_0
    on_edge = c / count + tilt * (outer - shift / count)

    found = torch.where(gains, on_edge, 1 / count)
    return torch.where(is_inside, inner * length / torch.where(is_inside, square, 1).sqrt(), found)
