from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import mtk


class GradNorm(mtk.GramianCombiner):
    """Chen, Badrinarayanan, Lee and Rabinovich 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep
    Multitask Networks", ICML, equation 2 and algorithm 1.

    Learned weights w_i, with the sum T, follow the gradient of sum_i |w_i l_i - m r_i^alpha|: l_i is the length of task i's
    gradient, m the mean of all w_i l_i, and r_i task i's share of its first loss that is left, over the mean of these
    shares; m r_i^alpha counts as constant. Here the sum is divided by m, so that `rate` does not depend on the units of the
    losses. The gradients are weighted before the step of the weights, as in the paper.

    Options: `alpha`, how much harder a task pulls that is slower than the others; `rate`, the weights' learning rate.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})
    learned: Tensor
    first: Tensor

    def __init__(self, tasks: Sequence[str], *, alpha: float = 1.5, rate: float = 0.025) -> None:
        super().__init__(tasks)
        self.alpha = alpha
        self.rate = rate
        self.register_buffer("learned", torch.ones(len(tasks)))
        self.register_buffer("first", torch.ones(len(tasks)))  # the losses [T] of the first step

    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        tiny = torch.finfo(gramian.dtype).eps ** 2
        self.first.copy_(torch.where(step.number == 0, step.losses, self.first))
        left = step.losses.clamp_min(tiny) / self.first.clamp_min(tiny)
        weights = self.learned.clone()
        lengths = gramian.diagonal().clamp_min(0).sqrt()
        pull = weights * lengths
        mean = pull.mean()
        slope = (pull - mean * (left / left.mean()) ** self.alpha).sign() * lengths
        moved = weights - self.rate * torch.where(mean > 0, slope / torch.where(mean > 0, mean, 1), 0)
        moved = moved.clamp_min(1e-3)  # a weight below zero would climb
        self.learned.copy_(len(moved) * moved / moved.sum())
        return weights
