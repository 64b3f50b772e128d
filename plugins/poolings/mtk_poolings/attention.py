from __future__ import annotations

import torch
from torch import Tensor, nn

import mtk


class Attention(mtk.Pooling):
    """e = Σ_i a_i h_i with a = softmax(q·h_i / √d) and a query q that is learned: the attention of a sequence of Yang et
    al., "Hierarchical Attention Networks", NAACL 2016, equations 8 to 10, without the layer before it. q begins at 0, so e
    begins as the mean of the tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        scores = (tokens * self.query).sum(dim=-1) * len(self.query) ** -0.5  # in fp32, whatever the states are in
        shares = torch.softmax(scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min), dim=1)
        return (tokens * shares.to(tokens.dtype).unsqueeze(-1)).sum(dim=1)
