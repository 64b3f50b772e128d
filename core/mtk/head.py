"""The head contract: from what the encoder says of one text, or of two, to a task's logits.

The smallest head:

    class Average(mtk.Head):
        def __init__(self, width, outputs, inputs):
            super().__init__()
            self.score = torch.nn.Linear(width * inputs, outputs)

        def forward(self, first, second=None):
            texts = [first.embedding] if second is None else [first.embedding, second.embedding]
            return self.score(torch.cat(texts, dim=-1))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from mtk.kind import Level

PairEncoding = Literal["joint", "separate", "both", "pretrained"]


class Encoding(NamedTuple):
    """What the encoder says of a batch of sequences."""

    tokens: Tensor  # [batch, length, width]: the last hidden state
    mask: Tensor  # [batch, length]: 1 at a token, 0 at padding
    embedding: Tensor  # [batch, width]: the pooled sequence


class Head(nn.Module, ABC):
    """One task's head. `pair_encoding` says how it wants a pair to be read:

    - `joint`: both texts go through the encoder as one sequence, as in a cross-encoder; `forward` gets `first` alone;
    - `separate`: each text goes through it alone, as in a bi-encoder; `forward` gets `first` and `second`;
    - `both`: as `separate`, and both texts as one sequence beside that, which `forward` gets as `joint`;
    - `pretrained`: as `both`, but each text alone goes through the encoder as it was before training, which learns nothing
      from it. The model then keeps that encoder too.

    A task with one text gives any head `first` alone.

    The constructor and `forward` take those of their arguments that they name. A constructor is offered `width` (the
    encoder's), `outputs` (logits per example, from the task's kind), `inputs` (the number of encodings `forward` will get:
    2 for a pair read separately, 3 for one read jointly beside that, otherwise 1) and `task` (an `mtk.Task`: its name, its
    kind, its labels as texts). Its keyword-only arguments are the options that a user can set from the command line,
    `NAME:key=value`; annotate them, raise ValueError for a value that makes no sense. A head that has an option `dropout`
    gets the run's `--dropout` unless the user gives it one.

    A head of the `level` "token" gives logits [batch, length, outputs], one row for each token of `first.tokens`, for the
    kinds that ask something of every word; one of the level "text" is for all others.

    What padding holds must not change a logit: read `tokens` through `mask`.
    """

    pair_encoding: ClassVar[PairEncoding] = "separate"
    level: ClassVar[Level] = "text"

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, first: Encoding, *args: Any, **kwargs: Any) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits [batch, outputs], or [batch, length, outputs] of the level "token"; or these and losses [] of the head's
        own by name, which are added to the task's loss and logged.

        It is offered `first`, `second` and `joint`, each an Encoding or None, and `labels` [batch] in training, as the
        task's loss gets them, which are None in a prediction."""
