from __future__ import annotations

import torch
from torch import Tensor, nn


class Biases(nn.Module):
    """One score [n, 1] plus each of `count` biases: [n, count]. They begin in falling order, evenly from 1 to 0."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.arange(count, 0, -1).float() / count)

    def forward(self, score: Tensor) -> Tensor:
        return score + self.bias
