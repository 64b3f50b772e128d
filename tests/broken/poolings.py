"""For each promise of a pooling a part that breaks it, and it alone, as far as that can be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import mtk


class Mean(mtk.Pooling):
    """Keeps every promise. Those below differ in one thing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self.mean(tokens, mask.unsqueeze(-1).to(tokens.dtype)) * self.scale.to(tokens.dtype)

    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return (tokens * weights).sum(dim=1) / weights.sum(dim=1)


class KeepsTheLength(Mean):
    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return super().mean(tokens, weights).unsqueeze(1)


class ReadsPadding(Mean):
    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return tokens.mean(dim=1)


class Centres(Mean):
    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        found = super().mean(tokens, weights)
        return found - found.mean(dim=0)


class DropsInEvaluation(Mean):
    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return super().mean(tokens, weights) + torch.randn(()) * 1e-6


class FillsInPlace(Mean):
    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return super().mean(tokens.detach().mul_(weights) + (tokens - tokens.detach()), weights)


class Idle(Mean):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.unused = nn.Parameter(torch.ones(width))


class InWholePrecision(Mean):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.turn = nn.Parameter(torch.eye(width))

    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        found = super().mean(tokens, weights)
        with torch.autocast(tokens.device.type, enabled=False):
            return found @ self.turn


class Remembers(Mean):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.turn = torch.randn(width)

    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return super().mean(tokens, weights) * self.turn.to(tokens)


class Asks(Mean):
    def mean(self, tokens: Tensor, weights: Tensor) -> Tensor:
        return super().mean(tokens, weights) if weights.sum().item() else tokens[:, 0]


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (KeepsTheLength, {"shape"}),
    (ReadsPadding, {"padding"}),
    (Centres, {"no-leak", "gradients"}),
    (DropsInEvaluation, {"evaluation"}),
    (FillsInPlace, {"inputs-kept"}),
    (Idle, {"gradients"}),
    (InWholePrecision, {"half-precision", "device"}),
    (Remembers, {"saving"}),
    (Asks, {"device"}),
]
