from __future__ import annotations

from torch import Tensor, nn

import mtk


class Bilinear(mtk.Head):
    """u'W_c·v + b_c for each logit c of a pair, each text read by itself; W·e + b for one text. Unlike a cosine, W learns
    which directions of the two embeddings have to do with each other.

    Socher, Chen, Manning and Ng 2013, "Reasoning With Neural Tensor Networks for Knowledge Base Completion", equation 1,
    its bilinear part.

    Options: `dropout`, the share of an embedding that is dropped in training.
    """

    pair_encoding = "separate"

    def __init__(self, width: int, outputs: int, inputs: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)  # raises ValueError itself for what is no share
        self.score = nn.Linear(width, outputs) if inputs == 1 else nn.Bilinear(width, width, outputs)

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        exact = self.score.weight.dtype  # nn.Bilinear does not mix precisions: under autocast the embeddings are bf16
        texts = [first] if second is None else [first, second]
        logits: Tensor = self.score(*(self.dropout(text.embedding.to(exact)) for text in texts))
        return logits
