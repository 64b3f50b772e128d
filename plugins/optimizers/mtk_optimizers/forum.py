"""FORUM: weights of the losses that are learned for all tasks at once, and the encoder held to what they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.adam import AdamWeights
from mtk_optimizers.simplex import least


class FORUM(AdamWeights):
    """Ye, Lin, Cao, Zhang and Tsang 2024, "A First-Order Multi-Gradient Algorithm for Multi-Objective Bi-Level
    Optimization", ECAI, algorithm 1, for inner steps along which slopes do not change.

    Two levels: on one half of the batch the weighted losses are to fall, with weights that are the softmax of numbers which
    learn by Adam; on the other half all losses are. q is how far the weighted losses fall in some inner steps. The encoder
    and the numbers go along D = sum_i lambda_i b_i / |b_i| + nu q', with b_i task i's gradient on the other half, q' the
    slope of q, and nu the least by which q falls by `phi` |q'|² where all go along D. Lambda, on the simplex, makes
    |D|² - nu `phi` |q'|² the least, and is averaged with what it was: in epoch t it counts t^(-3/4). Either half has either
    part, and the mean is taken. What the losses do in the inner steps is the Gramian's to tell, and needs no second model.

    Options: `phi`; `rate`, with which the numbers learn; `length`, of the inner steps together (LibMTL: 5 of 0.1); `period`,
    the steps of an epoch.
    """

    declares = frozenset({"permutation-equivariant"})
    aims: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        phi: Annotated[float, Meta(ge=0)] = 0.1,
        rate: Annotated[float, Meta(ge=0)] = 1e-3,
        length: Annotated[float, Meta(ge=0)] = 0.5,
        period: Annotated[int, Meta(ge=1)] = 100,
    ) -> None:
        super().__init__(tasks, 0.0)
        self.phi = phi
        self.rate = rate
        self.length = length
        self.period = period
        self.register_buffer("aims", torch.zeros(len(tasks)))  # lambda, as it is averaged

    def weights(self, gramian: Tensor, step: mtk.Step, cross: Tensor) -> Tensor:
        shares = self.learned.double().softmax(dim=0)
        between = (cross + cross.T).double() / 2
        within = 2 * gramian.double() - between  # the mean of both halves' Gramians
        lengths = within.diagonal().clamp_min(0).sqrt()
        inverse = torch.where(lengths > 0, 1 / torch.where(lengths > 0, lengths, 1), 0)

        falls = self.length * within @ shares  # of each loss in the inner steps
        slope = shares * (falls - shares @ falls)  # of q, by the numbers
        size = (slope @ slope + shares @ within @ shares).clamp_min(0).sqrt()  # of q's slope
        along = inverse * torch.where(size > 0, between @ shares / torch.where(size > 0, size, 1), 0)
        products = within * inverse.unsqueeze(1) * inverse

        missing = self.phi * size - along  # to what is asked of q, in the length of q's slope, for each task by itself
        aims = chosen(products, along, missing, self.phi * size)
        epoch = torch.div(step.number, self.period, rounding_mode="floor") + 1
        self.aims.lerp_(aims.to(self.aims.dtype), epoch.to(self.aims.dtype) ** -0.75)
        aims = self.aims.double()
        held = torch.where(size > 0, (aims @ missing).clamp_min(0) / torch.where(size > 0, size, 1), 0)  # nu
        self.learn(held * slope, self.rate)
        return (aims * inverse + held * shares).to(gramian.dtype)


def chosen(products: Tensor, along: Tensor, missing: Tensor, asked: Tensor) -> Tensor:
    """Of unit vectors F the products [T, T], those with another, u, `along` [T], and what is `missing` [T] and `asked` [],
    float64 -> lambda [T] on the simplex, which makes |F lambda + m u|² - asked m the least, m = max(0, lambda @ missing).

    That is convex, and made of two pieces. So the lambdas with their m are the convex combinations of the simplex' corners
    and of the points on its edges where m begins: a problem on a larger simplex.
    """
    count = len(missing)
    first, second = torch.triu_indices(count, count, device=missing.device)
    one, other = missing[first], missing[second]
    begins = one * other < 0
    share = torch.where(begins, other / torch.where(begins, other - one, 1), 1).unsqueeze(1)
    corners = torch.eye(count, dtype=missing.dtype, device=missing.device)
    points = share * corners[first] + (1 - share) * corners[second]
    added = torch.where(begins, 0, one.clamp_min(0))
    reached = points @ along
    quadratic = points @ products @ points.T + torch.outer(added, reached) + torch.outer(reached, added)
    quadratic = quadratic + torch.outer(added, added)
    return least(2 * quadratic, -asked * added) @ points
