from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

import mtk


class DotProduct(mtk.Head):
    """Direction and length together. A pair: s_c·⟨u, v⟩/√width + b_c, a scale and a bias for each logit c. One text:
    s_c·⟨e, p_c⟩/√width + b_c with a learned prototype p_c for each class. The root keeps logits of the same size for
    encoders of any width, as in attention.

    Options: `scale`, the s that training begins with; `dropout`, the share of an embedding that is dropped in training.
    """

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        scale: Annotated[float, Meta(gt=0)] = 1.0,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.root = width**0.5
        self.bias = nn.Parameter(torch.zeros(outputs))
        if inputs == 1:
            self.prototypes = nn.Parameter(torch.randn(outputs, width))
            self.scale = nn.Parameter(torch.full((outputs,), scale))
        else:
            # One product has to tell k classes apart, so their logits begin with different slopes, −s to s.
            self.scale = nn.Parameter(torch.linspace(scale if outputs == 1 else -scale, scale, outputs))

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        u = self.dropout(first.embedding)
        if second is None:
            product = u @ self.prototypes.to(u.dtype).T
        else:
            product = (u * self.dropout(second.embedding)).sum(dim=-1, keepdim=True)
        logits: Tensor = self.scale * product / self.root + self.bias
        return logits
