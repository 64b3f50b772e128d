from __future__ import annotations

import torch
from torch import Tensor

import mtk

STEPS = 30  # each makes the gap to the optimum several times smaller


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
        of_logarithms = gramian.double() * torch.outer(scale, scale)
        return (len(gramian) * scale * shortest(of_logarithms)).to(gramian.dtype)


def shortest(gramian: Tensor) -> Tensor:
    """gramian [T, T], float64 -> the weights w [T], none negative, with the sum 1, that make w @ gramian @ w the least."""
    count = len(gramian)
    largest = gramian.diagonal().max()
    unit = gramian / torch.where(largest > 0, largest, 1)
    weights = torch.full_like(unit[0], 1 / count)
    slack, bound = torch.ones_like(weights), torch.zeros_like(weights[0])  # multipliers of w >= 0, and of sum w = 1
    system = unit.new_zeros(count + 1, count + 1)
    system[:count, count], system[count, :count] = -1, 1
    for _ in range(STEPS):
        centre = 0.1 * (weights @ slack) / count
        system[:count, :count] = unit + torch.diag(slack / weights)
        residual = centre / weights - unit @ weights + bound
        solved, _ = torch.linalg.solve_ex(system, torch.cat([residual, (1 - weights.sum()).unsqueeze(0)]))
        move, of_bound = solved[:count], solved[count]
        of_slack = (centre - slack * move) / weights - slack
        before = torch.cat([weights, slack, bound.unsqueeze(0)])
        step = torch.cat([move, of_slack, of_bound.unsqueeze(0)])
        room = torch.where(step < 0, before / -step, torch.inf)[:-1].min()
        after = before + (0.95 * room).clamp_max(1) * step
        after = torch.where(after.isfinite().all(), after, before)
        weights, slack, bound = after[:count], after[count:-1], after[-1]
    return weights
