from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import torch
from torch import Tensor

import mtk


class LastLayers(mtk.Pooling):
    """The mean over the last k blocks of the mean of their tokens. Devlin et al., "BERT", NAACL 2019, section 5.3, add up
    four; Li et al., "On the Sentence Embeddings from Pre-trained Language Models", EMNLP 2020, take two.

    Options: `k`; with 1 it is the mean of the tokens.
    """

    def __init__(self, *, k: Annotated[int, msgspec.Meta(ge=1)] = 4) -> None:
        super().__init__()
        self.k = k

    def forward(self, layers: Sequence[Tensor], mask: Tensor) -> Tensor:
        blocks = len(layers) - 1  # the first states are those of the embeddings
        if self.k > blocks:
            raise mtk.UsageError(f"last-layers:k={self.k}: the encoder has {blocks} layers; take k={blocks} or fewer.")
        states = torch.stack(tuple(layers[-self.k :])).mean(dim=0)
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1)
