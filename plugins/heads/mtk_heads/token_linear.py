from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

import mtk


class TokenLinear(mtk.Head):
    """W·h + b for the state h of each token: what labels words, each at the first of its word pieces.

    Options: `dropout`, the share of each state that is dropped in training.
    """

    level = "token"

    def __init__(self, width: int, outputs: int, *, dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(width, outputs)

    def forward(self, first: mtk.Encoding) -> Tensor:
        return self.score(self.dropout(first.tokens))  # type: ignore[no-any-return]
