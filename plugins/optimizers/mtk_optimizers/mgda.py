"""MGDA: the shortest convex combination of the gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk


class MGDA(mtk.GramianCombiner):
    """Désidéri 2012, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization", Comptes Rendus
    Mathématique; solved as in Sener and Koltun 2018, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS,
    algorithm 2.

    The shortest convex combination of the gradients, found by Frank and Wolfe's method.

    Options: `epsilon`, the step at which the search ends; `max_iters`, its longest duration.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        epsilon: Annotated[float, Meta(gt=0)] = 0.001,
        max_iters: Annotated[int, Meta(ge=1)] = 100,
    ) -> None:
        super().__init__(tasks)
        self.epsilon = epsilon
        self.max_iters = max_iters

    def weights(self, gramian: Tensor) -> Tensor:
        largest = gramian.diagonal().max()
        exact = gramian.double() / torch.where(largest > 0, largest, 1)
        return frank_wolfe(exact, self.epsilon, self.max_iters).to(gramian.dtype)


def frank_wolfe(gramian: Tensor, epsilon: float, steps: int) -> Tensor:
    """gramian [T, T], float64 -> weights [T]."""
    count = len(gramian)
    squares = gramian.diagonal()
    places = torch.arange(count, device=gramian.device)
    weights = torch.full_like(squares, 1 / count)
    going = torch.ones_like(squares[0])
    for _ in range(steps):
        inner = gramian @ weights  # of each gradient with the combination
        best = inner.argmin()
        a, b = inner.amin(), weights @ inner
        corner = (places == best).to(weights.dtype)
        c = (corner * squares).sum()
        length = b + c - 2 * a
        between = torch.where(length > 0, (b - a) / torch.where(length > 0, length, 1), 0)
        share = going * torch.where(c <= a, 1, torch.where(b <= a, 0, between))
        weights = weights + share * (corner - weights)
        going = going * (share >= epsilon)
        if going.is_cpu and not going:  # elsewhere to look would be to wait
            break
    return weights
