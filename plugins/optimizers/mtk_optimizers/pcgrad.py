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

    Options: `reduction`, the `sum` of the projected gradients, as in the paper, or their `mean`; `scope`, whether conflicts
    are looked for in the `encoder` as a whole, or in each `layer` by itself, each with an order of its own.
    """

    declares = frozenset({"non-conflicting-for-two", "permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(
        self, tasks: Sequence[str], *, reduction: Literal["sum", "mean"] = "sum", scope: mtk.Scope = "encoder"
    ) -> None:
        super().__init__(tasks)
        self.reduction = reduction
        self.scope = scope

    def weights(self, gramian: Tensor) -> Tensor:
        orders = torch.rand(gramian.shape, device=gramian.device).argsort(dim=-1)
        weights = project(gramian, orders).sum(dim=-2)
        return weights / gramian.shape[-1] if self.reduction == "mean" else weights


def project(gramian: Tensor, orders: Tensor) -> Tensor:
    """Algorithm 1 on the Gramian [..., T, T]: row i of the result [..., T, T] writes the projected gradient of task i as a
    combination of the tasks' gradients. `orders` [..., T, T] has in row i the order in which task i meets the tasks; its own
    place there is passed over. A gradient of zero is never projected on.
    """
    exact = gramian.double()
    squares = exact.diagonal(dim1=-2, dim2=-1)
    coefficients = torch.eye(gramian.shape[-1], dtype=exact.dtype, device=exact.device).expand(exact.shape).clone()
    tasks = torch.arange(gramian.shape[-1], device=gramian.device)
    for other in orders.unbind(dim=-1):  # one meeting of every task at a time, [..., T]
        met = exact.gather(-2, other.unsqueeze(-1).expand(exact.shape))
        inner = (coefficients * met).sum(dim=-1)  # <g_i as projected so far, g_other>
        square = squares.gather(-1, other)
        conflict = (inner < 0) & (square > 0) & (other != tasks)
        share = torch.where(conflict, inner / torch.where(square > 0, square, 1), 0)
        coefficients.scatter_add_(-1, other.unsqueeze(-1), -share.unsqueeze(-1))
    return coefficients.to(gramian.dtype)
