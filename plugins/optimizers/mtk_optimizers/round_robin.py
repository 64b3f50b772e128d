from __future__ import annotations

from torch import Tensor

import mtk


class RoundRobin(mtk.LossCombiner):
    """One task after another, in the order of the tasks, each with an optimizer step of its own."""

    additive = True
    declares = frozenset({"non-conflicting", "permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def turns(self) -> list[tuple[str, ...]]:
        return [(task,) for task in self.tasks]

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum()
