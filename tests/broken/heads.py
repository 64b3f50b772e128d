"""For each promise of a head a part that breaks it, and it alone, as far as that can be:

- a component that raises whatever it is given fails all of its checks, and `shape` is broken here by what broadcasts;
- a head that is random for each example fails `batch-order` beside `evaluation`; the one here is random for the batch;
- a head that a long text is too long for fails in a prediction and in training.
"""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor, nn

import mtk


class Head(mtk.Head):
    """Keeps every promise. Those below differ in one thing."""

    def __init__(self, width: int, outputs: int, inputs: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(width * inputs, outputs)

    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        texts = [first] if second is None else [first, second]
        return self.logits(torch.cat([self.embedding(text) for text in texts], dim=-1))

    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding

    def logits(self, embedding: Tensor) -> Tensor:
        return self.score(self.dropout(embedding))


class Squeezes(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding).squeeze(-1)


class ReadsPairsItsWay(Head):
    pair_encoding = "together"


class TakesARoot(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return (-1 - super().logits(embedding).square()).sqrt()


class AveragesOverPadding(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.tokens.mean(dim=1)


class CountsExamples(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding) + torch.arange(len(embedding), device=embedding.device).unsqueeze(1)


class CentresTheBatch(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding - text.embedding.mean(dim=0)


class CentresLargeBatches(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding - (text.embedding.mean(dim=0) if len(text.embedding) > 32 else 0)


class SqueezesABatchOfOne(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding).squeeze(0)


class ComputesInDouble(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding).double()


class KnowsSomePositions(Head):
    def __init__(self, width: int, outputs: int, inputs: int) -> None:
        super().__init__(width, outputs, inputs)
        self.places = nn.Parameter(torch.zeros(128, 1))

    def embedding(self, text: mtk.Encoding) -> Tensor:
        mask = text.mask.unsqueeze(-1)
        return ((text.tokens + self.places[: text.tokens.shape[1]]) * mask).sum(dim=1) / mask.sum(dim=1)


class Exponentiates(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return (super().logits(embedding) / 5).exp()


class DividesGradientsByZero(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        given = super().logits(embedding)
        return given + (given - given.detach()).abs().sqrt()  # which is zero, and whose slope is none


class FailsInTraining(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("not today")
        return super().logits(embedding)


class SumsInTraining(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        given = super().logits(embedding)
        return given.sum(dim=0, keepdim=True) if self.training else given


class ClampsItsWeights(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        if self.training:
            self.score.weight.data.clamp_(-0.05, 0.05)
        return super().logits(embedding)


class CentresTokensInTraining(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding - (text.tokens.mean(dim=(0, 1)) if self.training else 0)


class LearnsPadding(Head):
    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Any:
        given = super().forward(first, second)
        return (given, {"small": first.tokens.square().mean()}) if self.training else given


class RemembersTraining(Head):
    mean: Any = 0.0

    def logits(self, embedding: Tensor) -> Tensor:
        given = super().logits(embedding)
        if self.training:
            self.mean = given.detach().mean() + 1
            return given
        return given + self.mean


class RemembersPredictions(Head):
    calls = 0

    def logits(self, embedding: Tensor) -> Tensor:
        self.calls += not self.training
        return super().logits(embedding) + 1e-5 * self.calls


class DrawsForNothing(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        torch.rand(())
        return super().logits(embedding)


class ChangesItsInputs(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding.clamp_(-0.5, 0.5)


class DrawsFromPython(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding) * (random.random() if self.training else 1)


class HashesItsName(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding) + hash(type(self).__name__) % 10**6 / 10**5


class StaysOnTheHost(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding) + torch.zeros(len(embedding), 1)


class CutsTheEncoderOff(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding.detach()


class CutsTheEncoderOffInTraining(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding.detach() if self.training else text.embedding


class CutsTheSecondTextOff(Head):
    def forward(self, first: mtk.Encoding, second: mtk.Encoding | None = None) -> Tensor:
        return super().forward(first, None if second is None else mtk.Encoding(*(t.detach() for t in second)))


class ReadsBoth(mtk.Head):
    """Keeps every promise: it has three encodings of a pair, knows its task, and has a loss of its own."""

    pair_encoding = "both"

    def __init__(self, inputs: int, outputs: int, width: int, task: mtk.Task) -> None:
        super().__init__()
        self.score = nn.Linear(width * inputs, outputs)
        self.known = task.labels

    def forward(self, first, second=None, joint=None, labels=None) -> Any:  # type: ignore[no-untyped-def, override]
        texts = [text.embedding for text in (first, second, joint) if text is not None]
        given = self.score(torch.cat(texts, dim=-1))
        return given if labels is None else (given, self.own(given.square().mean()))

    def own(self, loss: Tensor) -> Any:
        return {"small": loss}


class IgnoresTheJointReading(ReadsBoth):
    def forward(self, first, second=None, joint=None, labels=None) -> Any:  # type: ignore[no-untyped-def, override]
        cut = None if joint is None else mtk.Encoding(*(t.detach() for t in joint))
        return super().forward(first, second, cut, labels)


class HasALossForEach(ReadsBoth):
    def own(self, loss: Tensor) -> Any:
        return {"small": loss.expand(2)}


class DetachesItsLoss(ReadsBoth):
    def own(self, loss: Tensor) -> Any:
        return {"small": loss.detach()}


class HasAnInfiniteLoss(ReadsBoth):
    def own(self, loss: Tensor) -> Any:
        return {"small": 0 * loss + torch.inf}


class ListsItsLosses(ReadsBoth):
    def own(self, loss: Tensor) -> Any:
        return [loss]


class NumbersItsLosses(ReadsBoth):
    def own(self, loss: Tensor) -> Any:
        return {0: loss}


class HasAnIdleLayer(Head):
    def __init__(self, width: int, outputs: int, inputs: int) -> None:
        super().__init__(width, outputs, inputs)
        self.idle = nn.Linear(width, width)


class Detaches(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding).detach()


class MixesPrecisions(Head):
    def __init__(self, width: int, outputs: int, inputs: int) -> None:
        super().__init__(width, outputs, inputs)
        self.score = nn.Bilinear(width * inputs, width * inputs, outputs)

    def logits(self, embedding: Tensor) -> Tensor:
        return self.score(embedding, embedding)


class ForgetsABuffer(Head):
    def __init__(self, width: int, outputs: int, inputs: int) -> None:
        super().__init__(width, outputs, inputs)
        self.shift = float(torch.randn(()))

    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding) + self.shift


class NeverStopsDropping(Head):
    def logits(self, embedding: Tensor) -> Tensor:
        return super().logits(embedding) * (0.9 + 0.01 * torch.rand(()))


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (Head, set()),
    (Squeezes, {"shape"}),
    (TakesARoot, {"finite"}),
    (AveragesOverPadding, {"padding"}),
    (CountsExamples, {"batch-order"}),
    (CentresTheBatch, {"no-leak"}),
    (HasAnIdleLayer, {"gradients"}),
    (Detaches, {"gradients"}),
    (CentresLargeBatches, {"no-leak"}),
    (SqueezesABatchOfOne, {"shape"}),
    (ComputesInDouble, {"shape"}),
    (KnowsSomePositions, {"shape", "training"}),
    (Exponentiates, {"finite"}),
    (DividesGradientsByZero, {"finite"}),
    (FailsInTraining, {"training"}),
    (SumsInTraining, {"training"}),
    (ClampsItsWeights, {"training"}),
    (CentresTokensInTraining, {"padding"}),
    (LearnsPadding, {"padding"}),
    (RemembersTraining, {"saving"}),
    (RemembersPredictions, {"evaluation"}),
    (DrawsForNothing, {"evaluation"}),
    (ChangesItsInputs, {"inputs-kept"}),
    (DrawsFromPython, {"same-seed"}),
    (HashesItsName, {"any-process"}),
    (StaysOnTheHost, {"device"}),
    (CutsTheEncoderOff, {"gradients"}),
    (CutsTheEncoderOffInTraining, {"gradients"}),
    (CutsTheSecondTextOff, {"gradients"}),
    (ReadsBoth, set()),
    (IgnoresTheJointReading, {"gradients"}),
    (HasALossForEach, {"own-losses"}),
    (DetachesItsLoss, {"own-losses"}),
    (HasAnInfiniteLoss, {"own-losses"}),
    (ListsItsLosses, {"own-losses"}),
    (NumbersItsLosses, {"own-losses"}),
    (MixesPrecisions, {"bfloat16"}),
    (ForgetsABuffer, {"saving"}),
    (NeverStopsDropping, {"evaluation"}),
]
"""A part, and the checks that catch it."""
