from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

import mtk


class Linear(mtk.Head):
    """W·e + b for one text, W·[u; v] + b for a pair: the study's baseline.

    Options: `dropout`, the share of the embedding that is dropped in training.
    """

    def __init__(self, width: int, outputs: int, inputs: int, *, dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(width * inputs, outputs)

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        embedding = first.embedding if second is None else torch.cat([first.embedding, second.embedding], dim=-1)
        return self.score(self.dropout(embedding))  # type: ignore[no-any-return]
