from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

import mtk


class Cosine(mtk.Head):
    """How near two directions are. A pair: s_c·(cos(u, v) − o_c), a scale and an offset for each logit c. One text:
    s_c·(cos(e, p_c) − o_c) with a learned prototype p_c for each class.

    Options: `scale`, the s that training begins with; `dropout`, the share of an embedding that is dropped in training.
    """

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        scale: Annotated[float, Meta(gt=0)] = 5.0,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        if inputs == 1:
            self.prototypes = nn.Parameter(torch.randn(outputs, width))
            self.scale = nn.Parameter(torch.full((outputs,), scale))
            self.offset = nn.Parameter(torch.zeros(outputs))
        else:
            # One cosine has to tell k classes apart, so their logits begin with different slopes, −s to s.
            self.scale = nn.Parameter(torch.linspace(scale if outputs == 1 else -scale, scale, outputs))
            self.offset = nn.Parameter(torch.full((outputs,), 0.5))

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        u = self.dropout(first.embedding)
        if second is None:
            cosine = normalize(u, dim=-1) @ normalize(self.prototypes, dim=-1).T
        else:
            cosine = cosine_similarity(u, self.dropout(second.embedding), dim=-1).unsqueeze(-1)
        return self.scale * (cosine - self.offset)
