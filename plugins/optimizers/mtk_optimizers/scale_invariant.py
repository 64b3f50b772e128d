from __future__ import annotations

import torch
from torch import Tensor

import mtk


class ScaleInvariant(mtk.LossCombiner):
    """The sum of the losses' logarithms, SI in Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik and Fetaya 2022,
    "Multi-Task Learning as a Bargaining Game", ICML, section 5.

    Task i's gradient is divided by its loss, so that the units of a loss do not matter. A loss of zero has no gradient.
    """

    declares = frozenset({"permutation-equivariant"})

    def scalarize(self, losses: Tensor) -> Tensor:
        return logarithm(losses).sum()


def logarithm(losses: Tensor) -> Tensor:
    """losses [T] -> their logarithms [T]. Cross-entropy reaches 0, which has none: there it is constant."""
    return losses.clamp_min(torch.finfo(losses.dtype).eps ** 2).log()
