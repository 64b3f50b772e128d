"""The best weights that are not negative and have the sum 1, in a fixed number of steps on the device."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 30  # each makes the gap to the optimum several times smaller


def shortest(gramian: Tensor) -> Tensor:
    """gramian [..., T, T], float64 -> the weights w [..., T] that make w @ gramian @ w the least."""
    return least(gramian, torch.zeros_like(gramian[..., 0]))


def least(quadratic: Tensor, linear: Tensor) -> Tensor:
    """quadratic [..., T, T], positive semidefinite, and linear [..., T], float64 -> the weights w [..., T] that make
    w @ quadratic @ w / 2 + linear @ w the least. By a primal-dual interior-point method."""
    count = linear.shape[-1]
    largest = torch.maximum(quadratic.diagonal(dim1=-2, dim2=-1).amax(dim=-1), linear.abs().amax(dim=-1))
    unit = torch.where(largest > 0, 1 / largest, 1).unsqueeze(-1)
    quadratic, linear = quadratic * unit.unsqueeze(-1), linear * unit
    weights = torch.full_like(linear, 1 / count)
    slack, bound = torch.ones_like(weights), torch.zeros_like(weights[..., :1])  # multipliers of w >= 0, and of sum w = 1
    system = quadratic.new_zeros(*linear.shape[:-1], count + 1, count + 1)
    system[..., :count, count], system[..., count, :count] = -1, 1
    for _ in range(STEPS):
        centre = 0.1 * (weights * slack).mean(dim=-1, keepdim=True)
        system[..., :count, :count] = quadratic + torch.diag_embed(slack / weights)
        slope = (quadratic @ weights.unsqueeze(-1)).squeeze(-1) + linear
        wanted = torch.cat([centre / weights - slope + bound, 1 - weights.sum(dim=-1, keepdim=True)], dim=-1)
        solved, _ = torch.linalg.solve_ex(system, wanted.unsqueeze(-1))
        move, of_bound = solved[..., :count, 0], solved[..., count:, 0]
        of_slack = (centre - slack * move) / weights - slack
        before = torch.cat([weights, slack, bound], dim=-1)
        step = torch.cat([move, of_slack, of_bound], dim=-1)
        room = torch.where(step < 0, before / -step, torch.inf)[..., :-1].amin(dim=-1, keepdim=True)
        after = before + (0.95 * room).clamp_max(1) * step
        after = torch.where(after.isfinite().all(dim=-1, keepdim=True), after, before)
        weights, slack, bound = after[..., :count], after[..., count:-1], after[..., -1:]
    return weights
