from __future__ import annotations

from torch import Tensor

import mtk


class Cls(mtk.Pooling):
    """e = h_1, the token that the tokenizer puts first. Devlin et al., "BERT", NAACL 2019, section 3."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]
