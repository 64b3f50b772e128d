import mtk
import torch
from torch import Tensor, nn


class NewcomerHead(mtk.Head):
    """W·[u; v; |u − v|; u∘v] + b for a pair, each text read by itself; W·u + b for one.

    Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations
    from Natural Language Inference Data", figure 1.

    Options: `dropout`, the share of the features that is dropped in training.
    """

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(width * (1 if inputs == 1 else 4), outputs)

    def forward(
        self,
        first: mtk.Encoding,
        second: mtk.Encoding | None = None,
    ) -> Tensor:
        features = first.embedding
        if second is not None:
            u, v = first.embedding, second.embedding
            features = torch.cat([u, v, (u - v).abs(), u * v], dim=-1)
        logits: Tensor = self.score(self.dropout(features))
        return logits
