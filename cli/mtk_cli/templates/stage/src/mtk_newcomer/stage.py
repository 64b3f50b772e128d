from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

import mtk


class NewcomerStage(mtk.Stage):
    """A text, encoded twice with other dropout, is to be nearer to itself than to the others of
    its batch: SimCSE, Gao et al., EMNLP 2021, section 3.

    Options: `temperature`, by which cosines are divided.
    """

    def __init__(self, *, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, inputs: dict[str, Tensor], encode: Callable[..., mtk.Encoding]) -> Tensor:
        one, other = (F.normalize(encode(inputs).embedding.float(), dim=1) for _ in range(2))
        own = torch.arange(len(one), device=one.device)
        return F.cross_entropy(one @ other.T / self.temperature, own)
