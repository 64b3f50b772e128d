from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

import mtk
from mtk_optimizers.tracking import Tracking

TINY = 1e-8  # the authors'


class DBMTL(Tracking):
    """Lin, Jiang, Ye, Zhang, Chen, Chen, Liu and Kwok 2023, "Dual-Balancing for Multi-Task Learning", arXiv:2308.12029,
    algorithm 1.

    The losses are balanced by their logarithms, the gradients by their lengths: a moving average of the gradient of each
    log-loss is made as long as the longest of them, and these are added up.

    Options: `beta`, the share of the past in the average; `decay`, the power of the step by which it falls.
    """

    declares = frozenset({"permutation-equivariant"})

    def __init__(self, tasks: Sequence[str], *, beta: float = 0.9, decay: float = 0.0) -> None:
        super().__init__(tasks)
        self.beta = beta
        self.decay = decay

    def combine(self, gradients: Tensor, step: mtk.Step) -> Tensor:
        of_logarithms = gradients / (step.losses + TINY).to(gradients.dtype).unsqueeze(1)
        past = self.beta / (step.number + 1).to(gradients.dtype) ** self.decay
        followed = self.track(of_logarithms, 1 - past)
        lengths = followed.norm(dim=1, keepdim=True)
        combined: Tensor = (followed / (lengths + TINY)).sum(dim=0) * lengths.max()
        return combined
