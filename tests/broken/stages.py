"""For each promise of a stage a part that breaks it, and it alone, as far as that can be."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import mtk


class TwoViews(mtk.Stage):
    """Keeps every promise. Those below differ in one thing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.turn = nn.Linear(width, width)

    def forward(self, inputs: dict[str, Tensor], encode: Callable[..., mtk.Encoding]) -> Tensor:
        one, other = (F.normalize(self.turn(encode(inputs).embedding), dim=-1) for _ in range(2))
        return self.loss(one, other)

    def loss(self, one: Tensor, other: Tensor) -> Tensor:
        return F.cross_entropy(one @ other.T / 0.05, torch.arange(len(one)))


class OneForEachText(TwoViews):
    def loss(self, one: Tensor, other: Tensor) -> Tensor:
        return F.cross_entropy(one @ other.T / 0.05, torch.arange(len(one)), reduction="none")


class Detached(TwoViews):
    def forward(self, inputs: dict[str, Tensor], encode: Callable[..., mtk.Encoding]) -> Tensor:
        return self.turn(encode(inputs).embedding.detach()).square().mean()


class Hides(TwoViews):
    def forward(self, inputs: dict[str, Tensor], encode: Callable[..., mtk.Encoding]) -> Tensor:
        inputs["input_ids"][:, 1] = 1
        return super().forward(inputs, encode)


class Python(TwoViews):
    def loss(self, one: Tensor, other: Tensor) -> Tensor:
        return super().loss(one, other) * (1 + random.random())


class Remembers(TwoViews):
    made = 0

    def loss(self, one: Tensor, other: Tensor) -> Tensor:
        self.made += 1
        return super().loss(one, other) / self.made


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (OneForEachText, {"loss", "same-seed", "saving"}),
    (Detached, {"loss"}),
    (Hides, {"inputs-kept"}),
    (Python, {"same-seed", "saving"}),
    (Remembers, {"saving"}),
]
