"""The pooling contract: from the states of a sequence's tokens to its embedding, which heads read.

The smallest pooling:

    class Last(mtk.Pooling):
        def forward(self, tokens, mask):
            return tokens[torch.arange(len(tokens)), mask.sum(dim=1) - 1]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Pooling(nn.Module, ABC):
    """Makes one vector of a sequence. The constructor is offered `width`, the encoder's; its keyword-only arguments are the
    options that a user can set, `NAME:key=value`.

    It may have parameters. They belong to the encoder: all tasks share them, so their gradients are rows of what a combiner
    decides on, as those of a layer called `pooling` after all others. They begin from nothing, and so learn at the heads'
    rate, `--head-lr`; `--freeze` and `--layer-decay` leave them alone. They are saved with the model.

    What padding holds must not change an embedding: read `tokens` through `mask`.
    """

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The embeddings [batch, width]. It takes those of these arguments that it names:

        - `tokens` [batch, length, width]: what the encoder's last layer says of each token;
        - `mask` [batch, length]: 1 at a token, 0 at padding;
        - `layers`: such states of all layers, in their order: those of the embeddings, of each block; the last are `tokens`.
        """
