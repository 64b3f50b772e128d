from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

import mtk


class CNN(mtk.Head):
    """A convolution over the tokens, and for each of its channels the largest value in the text. A pair is read as one
    sequence. The study's best head for sentiment, after Kim 2014, "Convolutional Neural Networks for Sentence
    Classification", section 2.

    Options: `channels` and `kernel` of the convolution; `dropout`, the share of the channels that is dropped in training.
    """

    pair_encoding = "joint"

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        *,
        channels: Annotated[int, Meta(ge=1)] = 256,
        kernel: Annotated[int, Meta(ge=1)] = 3,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} is even, so it has no middle token; take an odd one")
        self.convolution = nn.Conv1d(width, channels, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(channels, outputs)

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        mask = first.mask.unsqueeze(1).bool()
        # Zeros where padding is: the last token then has the neighbour that it would have with no padding at all.
        channels = self.convolution(first.tokens.transpose(1, 2) * mask).relu()
        pooled = channels.masked_fill(~mask, 0).amax(dim=-1)  # after a ReLU no token is below 0
        return self.score(self.dropout(pooled))  # type: ignore[no-any-return]
