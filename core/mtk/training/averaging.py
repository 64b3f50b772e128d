"""A running mean of the weights, which is evaluated and kept in place of the last ones."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mtk.model.multitask import Model


class WeightAverage:
    """θ̄ ← decay·θ̄ + (1 - decay)·θ after every step, beginning with the first step's weights: the exponential moving average
    of torch.optim.swa_utils, without its question to the device in every step. Buffers are those of the last step."""

    def __init__(self, model: Model, decay: float) -> None:
        self.model = deepcopy(model).requires_grad_(False)
        self._average = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update(self, model: Model, step: int) -> None:
        """`model` has made so many steps."""
        means: list[Tensor] = list(self.model.parameters())
        values: list[Tensor] = list(model.parameters())
        if step <= 1:
            torch._foreach_copy_(means, values)
        else:
            self._average(means, values, step)
        for mean, value in zip(self.model.buffers(), model.buffers(), strict=True):
            mean.copy_(value)
