from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

import mtk


class PCGrad(mtk.GramianCombiner):
    """Projecting conflicting gradients: Yu, Kumar, Gupta, Levine, Hausman and Finn 2020, "Gradient Surgery for Multi-Task
    Learning", NeurIPS, algorithm 1.

    Each task's gradient meets the others in a random order of its own; where its inner product with one is negative, it
    loses its component along that one. The projected gradients are added up. The order is drawn from the run's seed.

    Options: `reduction`, the `sum` of the projected gradients, as in the paper, or their `mean`.
    """

    declares = frozenset({"non-conflicting-for-two", "permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(self, tasks: Sequence[str], *, reduction: Literal["sum", "mean"] = "sum") -> None:
        super().__init__(tasks)
        self.reduction = reduction

    def weights(self, gramian: Tensor) -> Tensor:
        count = len(gramian)
        orders = torch.rand(count, count, device=gramian.device).argsort(dim=1)
        weights = project(gramian, orders).sum(dim=0)
        return weights / count if self.reduction == "mean" else weights


def project(gramian: Tensor, orders: Tensor) -> Tensor:
    """Algorithm 1 on the Gramian [T, T]: row i of the result [T, T] writes the projected gradient of task i as a
    combination of the tasks' gradients. `orders` [T, T] has in row i the order in which task i meets the tasks; its own
    place there is passed over. A gradient of zero is never projected on.
    """
    count = len(gramian)
    exact = gramian.double()
    coefficients = torch.eye(count, dtype=exact.dtype, device=exact.device)
    tasks = torch.arange(count, device=gramian.device)
    for other in orders.T:  # one meeting of every task at a time
        inner = (coefficients * exact[other]).sum(dim=1)  # <g_i as projected so far, g_other>
        square = exact[other, other]
        conflict = (inner < 0) & (square > 0) & (other != tasks)
        share = torch.where(conflict, inner / torch.where(square > 0, square, 1), 0)
        coefficients = coefficients.index_put((tasks, other), -share, accumulate=True)
    return coefficients.to(gramian.dtype)
