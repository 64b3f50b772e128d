from collections.abc import Callable

import mtk
import torch
from torch import Tensor
from torch.nn import functional as F


class NewcomerStage(mtk.Stage):
    """A text, encoded twice with other dropout, is to be nearer to itself than to the others of
    its batch: SimCSE, Gao et al., EMNLP 2021, section 3.

    Options: `temperature`, by which cosines are divided.
    """

    def __init__(self, *, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        inputs: dict[str, Tensor],
        encode: Callable[..., mtk.Encoding],
    ) -> Tensor:
        embeddings = (encode(inputs).embedding.float() for _ in range(2))
        one, other = (F.normalize(embedding, dim=1) for embedding in embeddings)
        own = torch.arange(len(one), device=one.device)
        return F.cross_entropy(one @ other.T / self.temperature, own)
