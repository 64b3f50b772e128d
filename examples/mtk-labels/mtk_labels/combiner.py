from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import mtk


class LayerGradNorm(mtk.GramianCombiner):
    """GradNorm in each layer by itself: there task i's gradient gets the length m·r_i^α, m the tasks' mean length, r_i the
    share of its first loss that is left over the mean of these shares. The paper learns weights that lead to these lengths;
    the Gramian tells them.

    Chen, Badrinarayanan, Lee and Rabinovich 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep
    Multitask Networks", section 3.2.

    Options: `alpha`, how much harder a task pulls that is slower than the others.
    """

    scope = "layer"
    declares = frozenset({"permutation-equivariant", "scale-equivariant", "single-task-identity"})

    def __init__(self, tasks: Sequence[str], *, alpha: float = 1.5) -> None:
        super().__init__(tasks)
        self.alpha = alpha
        self.register_buffer("first", torch.ones(len(tasks)))  # the losses of the first step

    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        self.first.copy_(torch.where(step.number == 0, step.losses, self.first))
        left = step.losses.clamp_min(1e-12) / self.first.clamp_min(1e-12)
        rate = left / left.mean()
        lengths = gramian.diagonal(dim1=-2, dim2=-1).sqrt()  # [layers, tasks]
        wanted = lengths.mean(dim=-1, keepdim=True) * rate**self.alpha
        return torch.where(lengths > 0, wanted / lengths, 0)
