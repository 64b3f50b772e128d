from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

import mtk


class ConcatMLP(mtk.Head):
    """Both texts of a pair as one sequence, so that the encoder compares them word by word, and a perceptron on its
    embedding: linear, dropout, ReLU, linear. The study's best head for pairs.

    Options: `hidden`, the units between the two layers, the encoder's width where it is none; `dropout`, the share of them
    that is dropped in training.
    """

    pair_encoding = "joint"

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        hidden: Annotated[int, Meta(ge=1)] | None = None,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        hidden = hidden or width
        self.layers = nn.Sequential(
            nn.Linear(width * inputs, hidden), nn.Dropout(dropout), nn.ReLU(), nn.Linear(hidden, outputs)
        )

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        return self.layers(first.embedding)  # type: ignore[no-any-return]
