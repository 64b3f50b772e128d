from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

import mtk


class Attention(mtk.Head):
    """Several learned queries, each of which looks for its tokens: α_q = softmax(q·tanh(W·h_i)) over the tokens h_i, and
    a linear layer on the sums Σ α_qi·h_i of all. A pair is read as one sequence. After Yang et al. 2016, "Hierarchical
    Attention Networks for Document Classification", equations 5 to 7, with more than one query.

    Options: `queries`; `dropout`, the share of the sums that is dropped in training.
    """

    pair_encoding = "joint"

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        queries: Annotated[int, Meta(ge=1)] = 4,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.keys = nn.Linear(width, width)
        self.queries = nn.Parameter(torch.randn(width, queries) / width**0.5)
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(width * queries, outputs)

    def forward(self, first: mtk.Encoding) -> Tensor:
        mask = first.mask.unsqueeze(-1).bool()
        tokens = first.tokens.masked_fill(~mask, 0)
        found = (self.keys(tokens).tanh() @ self.queries).masked_fill(~mask, -torch.inf).softmax(dim=1)
        sums = found.to(tokens.dtype).transpose(1, 2) @ tokens
        return self.score(self.dropout(sums.flatten(1)))  # type: ignore[no-any-return]
