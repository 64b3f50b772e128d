"""IMTL-G: no task is favoured."""

from __future__ import annotations

from torch import Tensor

import mtk
from mtk_optimizers.log_imtl import impartial


class IMTLG(mtk.GramianCombiner):
    """Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang 2021, "Towards Impartial Multi-task Learning", ICLR, section 3.1: the
    balance of gradients.

    The affine combination whose projections on the tasks' unit gradients are all equal. A gradient of zero is left out.
    """

    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def weights(self, gramian: Tensor) -> Tensor:
        return impartial(gramian.double()).to(gramian.dtype)
