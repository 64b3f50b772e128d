from __future__ import annotations

import torch
from torch import Tensor

import mtk


class EqualLength(mtk.GramianCombiner):
    """Every task's gradient, scaled to the mean of their lengths: sum_i m·g_i/|g_i|. A loss on a larger scale then pulls
    no harder than the others. A gradient of zero stays zero.
    """

    declares = frozenset({"non-conflicting-for-two", "permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def weights(self, gramian: Tensor) -> Tensor:
        lengths = gramian.diagonal().sqrt()
        return torch.where(lengths > 0, lengths.mean() / lengths, 0)
