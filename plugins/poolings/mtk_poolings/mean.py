from __future__ import annotations

from torch import Tensor

import mtk


class Mean(mtk.Pooling):
    """e = Σ_i h_i / n over the n tokens of a sequence. Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, section 3."""

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        return (tokens * weights).sum(dim=1) / weights.sum(dim=1)
