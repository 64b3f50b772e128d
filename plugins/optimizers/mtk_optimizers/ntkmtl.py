"""NTKMTL: tasks whose gradients are short count for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk

LEAST = 1e-12  # that a task's share is taken for


class NTKMTL(mtk.GramianCombiner):
    """Qin, Wang, Liao and Yan 2025, "NTKMTL: Mitigating Task Imbalance in Multi-Task Learning from Neural Tangent Kernel
    Perspective", NeurIPS: the variant with one part of the batch (n = 1), which the authors compare with other methods.

    How fast a task converges by itself is the largest eigenvalue of its neural tangent kernel: of one part, the square of
    its gradient's length. A task weighs the `exponent`-th power of all these squares together over its own. The authors'
    code takes the result times the number of tasks.

    Options: `exponent`; at 0 all weights are 1, at 0.5 the weighted gradients are equally long.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(self, tasks: Sequence[str], *, exponent: Annotated[float, Meta(ge=0)] = 0.5) -> None:
        super().__init__(tasks)
        self.exponent = exponent

    def weights(self, gramian: Tensor) -> Tensor:
        squares = gramian.diagonal().double()
        total = squares.sum()
        shares = torch.where(total > 0, squares / torch.where(total > 0, total, 1), 1 / len(squares))
        return (shares.clamp_min(LEAST) ** -self.exponent).to(gramian.dtype)
