from __future__ import annotations

import torch
from torch import Tensor

import mtk


class Max(mtk.Pooling):
    """e_d = max_i h_id, each dimension by itself. Conneau et al., "Supervised Learning of Universal Sentence
    Representations", EMNLP 2017, section 3.2.2; with BERT, Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, section 3."""

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        padding = mask.unsqueeze(-1) == 0
        return tokens.masked_fill(padding, torch.finfo(tokens.dtype).min).amax(dim=1)
