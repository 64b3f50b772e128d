from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

import mtk
from mtk_heads.concat_mlp import ConcatMLP

SLOPE = 5.0  # of a logit along the cosine, where training begins
FASTER = 20  # than what else a head learns: two numbers for each logit, which have a long way to go


class PretrainedCosine(mtk.Head):
    """`concat-mlp`, and beside it what the encoder knew of a pair before training: (1 − λ)·(W₂·relu(W₁·j + b₁) + b₂) +
    λ·(s_c·(cos(u, v) − ½) + o_c) for each logit c, of the embedding j of both texts as one sequence, which is trained, and
    those of each text alone, u and v, which are not. An encoder such as one of sentence-transformers knows much of pairs
    that it forgets when it learns few of them as one sequence.

    Each side learns by a loss of its own, as if the other were not there, so that neither leaves to the other what it could
    learn; they meet in predictions alone. A candidate has no label of its own to learn s and o from, which then stay as they
    begin. The model keeps both encoders. One text: the perceptron alone.

    Options: `share`, the λ; `hidden`, the units between the two layers, the encoder's width where it is none; `dropout`, the
    share of the units that is dropped in training.
    """

    pair_encoding = "pretrained"

    def __init__(
        self,
        width: int,
        outputs: int,
        inputs: int,
        task: mtk.Task,
        *,
        share: Annotated[float, Meta(gt=0, lt=1)] = 0.4,
        hidden: Annotated[int, Meta(ge=1)] | None = None,
        dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.kind, self.share = task.kind, share
        self.joint = ConcatMLP(width, outputs, 1, hidden=hidden, dropout=dropout)
        if inputs > 1:
            slope = torch.linspace(SLOPE if outputs == 1 else -SLOPE, SLOPE, outputs)
            learns = not task.kind.candidates
            self.slope = nn.Parameter(slope / FASTER, requires_grad=learns)
            self.offset = nn.Parameter(torch.zeros(outputs), requires_grad=learns)

    def forward(
        self,
        first: mtk.Encoding,
        second: mtk.Encoding | None = None,
        joint: mtk.Encoding | None = None,
        labels: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        if second is None or joint is None:
            return self.joint(first)  # type: ignore[no-any-return]
        cosine = cosine_similarity(first.embedding.float(), second.embedding.float(), dim=-1).unsqueeze(-1)
        before, now = FASTER * (self.slope * (cosine - 0.5) + self.offset), self.joint(joint)
        if labels is None:
            return (1 - self.share) * now + self.share * before  # type: ignore[no-any-return]
        return (now, {"pretrained": self.kind.loss(logits=before, labels=labels)}) if self.slope.requires_grad else now
