"""GradVac: gradients are made as alike as they have been on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk


class GradVac(mtk.GramianCombiner):
    """Wang, Tsvetkov, Firat and Cao 2021, "Gradient Vaccine: Investigating and Improving Multi-task Optimization in
    Massively Multilingual Models", ICLR, algorithm 1.

    Like pcgrad, but gradients meet a goal: where the cosine of two is below its moving average, one is turned until it is
    reached. Each task's gradient meets the others in a random order of its own, drawn from the run's seed.

    Options: `beta`, the share of the latest cosine in the average; `eps`, added to denominators.
    """

    declares = frozenset({"single-task-identity"})
    goals: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        beta: Annotated[float, Meta(ge=0, le=1)] = 0.5,
        eps: Annotated[float, Meta(ge=0)] = 1e-8,
    ) -> None:
        super().__init__(tasks)
        self.beta = beta
        self.eps = eps
        self.register_buffer("goals", torch.zeros(len(tasks), len(tasks)))

    def weights(self, gramian: Tensor) -> Tensor:
        orders = torch.rand(gramian.shape, device=gramian.device).argsort(dim=-1)
        coefficients, goals = vaccinate(gramian.double(), orders, self.goals.double(), self.beta, self.eps)
        self.goals.copy_(goals)
        return coefficients.sum(dim=0).to(gramian.dtype)


def vaccinate(gramian: Tensor, orders: Tensor, goals: Tensor, beta: float, eps: float) -> tuple[Tensor, Tensor]:
    """gramian [T, T], float64; orders [T, T], in whose row i the order stands in which task i meets the tasks, its own place
    passed over; goals [T, T], for the cosine of what task i's gradient has become and task j's -> each task's gradient as a
    combination of all [T, T], and the goals as they are after it."""
    lengths = gramian.diagonal().clamp_min(0).sqrt()
    coefficients = torch.eye(len(gramian), dtype=gramian.dtype, device=gramian.device)
    tasks = torch.arange(len(gramian), device=gramian.device)
    for other in orders.unbind(dim=-1):  # one meeting of every task at a time, [T]
        place = other.unsqueeze(-1)
        inner = coefficients @ gramian
        own = (coefficients * inner).sum(dim=-1).clamp_min(0).sqrt()
        met, goal = lengths[other], goals.gather(-1, place).squeeze(-1)
        cosine = inner.gather(-1, place).squeeze(-1) / (own * met + eps)
        opposite, of_goal = ((1 - cosine**2).clamp_min(0).sqrt(), (1 - goal**2).clamp_min(0).sqrt())
        room = met * of_goal + eps
        turn = own * (goal * opposite - cosine * of_goal) / torch.where(room > 0, room, 1)
        turns = (cosine < goal) & (other != tasks) & (met > 0)
        coefficients = coefficients.scatter_add(-1, place, torch.where(turns, turn, 0).unsqueeze(-1))
        after = torch.where(other != tasks, (1 - beta) * goal + beta * cosine, goal)
        goals = goals.scatter(-1, place, after.unsqueeze(-1))
    return coefficients, goals
