from __future__ import annotations

from torch import Tensor

import mtk


class Sum(mtk.LossCombiner):
    """The gradient of the sum of the losses: every task's wish at its full length."""

    additive = True
    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum()
