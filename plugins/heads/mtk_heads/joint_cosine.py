from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

import mtk
from mtk_heads.concat_mlp import ConcatMLP


class JointCosine(ConcatMLP):
    """Both readings of a pair: a perceptron on the embedding j of both texts as one sequence, and beside it how near the
    embeddings u and v of each by itself are: W₂·relu(W₁·j + b₁) + b₂ + s_c·(cos(u, v) − ½) for each logit c. An encoder
    that was trained on similarities, as sentence-transformers' are, brings the second with it. One text: the perceptron
    alone.

    Options: `hidden`, the units between the two layers, the encoder's width where it is none; `scale`, the s that training
    begins with; `dropout`, the share of the units that is dropped in training.
    """

    pair_encoding = "both"  # type: ignore[assignment] # which mypy takes for the literal that the base has

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        hidden: Annotated[int, Meta(ge=1)] | None = None,
        scale: Annotated[float, Meta(gt=0)] = 5.0,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__(width, outputs, 1, hidden=hidden, dropout=dropout)
        if inputs > 1:
            # one cosine has to tell k classes apart, so their slopes begin differently
            self.scale = nn.Parameter(torch.linspace(scale if outputs == 1 else -scale, scale, outputs))

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None, joint: mtk.Encoding | None = None) -> Tensor:
        if second is None or joint is None:
            return super().forward(first)
        cosine = cosine_similarity(first.embedding, second.embedding, dim=-1).unsqueeze(-1)
        return super().forward(joint) + self.scale * (cosine - 0.5)
