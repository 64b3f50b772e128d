"""The stage contract: what the encoder learns from the tasks' own texts, without labels, before training begins.

The smallest stage (Gao et al., "SimCSE", EMNLP 2021, section 3):

    class TwoViews(mtk.Stage):
        def forward(self, inputs, encode):
            one, other = (F.normalize(encode(inputs).embedding) for _ in range(2))  # which dropout makes differ
            return F.cross_entropy(one @ other.T / 0.05, torch.arange(len(one), device=one.device))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn


class Stage(nn.Module, ABC):
    """A loss on texts. The framework draws batches of the distinct training texts of all tasks, each by itself, trains
    encoder and stage on it with the run's optimizer and schedule, and goes on with the encoder alone. Heads have no part
    in it.

    The constructor is offered `width` (the encoder's), `tokenizer` (as transformers has it) and `embeddings`, the encoder's
    table of tokens [vocabulary, width of an entry], to be looked at and not kept. Its keyword-only arguments are the
    options that a user can set, `NAME:key=value`. Beside them every stage takes `epochs`, the passes over the texts,
    `batch`, the texts of a step, and `lr`, the highest learning rate of the encoder; what the stage has itself learns at
    `--head-lr`.

    Its parameters and buffers are saved in a checkpoint, so that a run goes on in the middle of it, and not with the model.
    All randomness must come from torch's generators.
    """

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The loss [] of a batch, in train mode. It takes those of these arguments that it names:

        - `inputs`: what the encoder takes of the texts, a dict of tensors [batch, length] on the device: `input_ids`,
          `attention_mask` and what else the tokenizer gives; to be copied and not changed;
        - `encode`: the encoder, inputs -> mtk.Encoding, as often as it is wanted;
        - `embeddings`: the encoder's table of tokens, as it is now; what is computed with it trains it.
        """
