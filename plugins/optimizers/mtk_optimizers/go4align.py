from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk


class GO4Align(mtk.LossCombiner):
    """Shen, Wang, Xiao, Van Noord and Worring 2024, "GO4Align: Group Optimization for Multi-Task Alignment", NeurIPS.

    A task's risk is the share p_i of a multiplicative update, p_i <- p_i exp(-rate L_i), divided by its share of all losses.
    Tasks of similar risk form a group, and each has its group's mean risk for a weight. Two groups are the best of
    k-means, which is found exactly: they are a cut of the sorted risks.

    Options: `groups`, one or two; `rate`, the step size of the update.
    """

    declares = frozenset({"permutation-equivariant"})
    shares: Tensor

    def __init__(self, tasks: Sequence[str], *, groups: Annotated[int, Meta(ge=1, le=2)] = 2, rate: float = 1e-4) -> None:
        super().__init__(tasks)
        self.groups = groups
        self.rate = rate
        self.register_buffer("shares", torch.full((len(tasks),), 1 / len(tasks)))

    def scalarize(self, losses: Tensor, step: mtk.Step) -> Tensor:
        now = step.losses.clamp_min(torch.finfo(losses.dtype).eps)
        self.shares.copy_((self.shares.clamp_min(1e-30).log() - self.rate * now).softmax(dim=0))
        risks = self.shares * (now.sum() / now)
        weights = two_groups(risks) if self.groups == 2 and len(losses) > 1 else risks.mean().expand_as(risks)
        return (weights * losses).sum()


def two_groups(values: Tensor) -> Tensor:
    """values [T], two or more -> the mean [T] of each one's group, where the two groups' squared errors are the least."""
    ordered = values.double().sort()
    least = torch.arange(len(values), device=values.device)
    lower = least <= least[:-1].unsqueeze(1)  # [T - 1, T]: cut k leaves the k + 1 least below
    below = (lower * ordered.values).sum(dim=1, keepdim=True) / lower.sum(dim=1, keepdim=True)
    above = (~lower * ordered.values).sum(dim=1, keepdim=True) / (~lower).sum(dim=1, keepdim=True)
    means = torch.where(lower, below, above)
    best = ((means - ordered.values) ** 2).sum(dim=1).argmin(dim=0, keepdim=True)
    of_ordered = means.index_select(0, best).squeeze(0)
    return torch.zeros_like(of_ordered).scatter(0, ordered.indices, of_ordered).to(values.dtype)
