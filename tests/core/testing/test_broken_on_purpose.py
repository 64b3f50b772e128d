"""For each promise a component that breaks it, and it alone: the check meant for it catches it, and no other does.

Not every promise can be broken alone:

- a component that raises whatever it is given fails all of its checks, and `shape` is broken here by what broadcasts;
- a head that is random for each example fails `batch-order` beside `evaluation`; the one here is random for the batch;
- a head that a long text is too long for fails in a prediction and in training;
- a combiner that counts its instances is another one in every comparison of two;
- an augmenter that is random whatever it is given fails all promises that repeat a call;
- an augmenter that wants a list fails wherever it gets what a run gives, a tuple;
- a combiner that opposes one of two tasks fails `non-conflicting` and `non-conflicting-for-two`, if it declares both.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mtk
from mtk.testing import BrokenPromise, checks

# Heads -----------------------------------------------------------------------------------------------------------------


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


# Combiners -------------------------------------------------------------------------------------------------------------


class Sum(mtk.GramianCombiner):
    """Keeps every promise. Those below differ in one thing."""

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.ones_like(gramian[0])


class Doubles(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian).double()


class KeepsADimension(mtk.LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum(dim=0, keepdim=True)


class StacksRows(mtk.GradientCombiner):
    def combine(self, gradients: Tensor) -> Tensor:
        return gradients.mean(dim=0, keepdim=True)


class DividesByLength(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal().rsqrt()


class TakesLogarithms(mtk.LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.log().sum()


class WritesIntoTheGramian(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian.fill_diagonal_(0))


class WritesIntoTheGradients(mtk.GradientCombiner):
    def combine(self, gradients: Tensor) -> Tensor:
        return gradients.clamp_(-1, 1).sum(dim=0)


class CountsSteps(Sum):
    steps = 0

    def weights(self, gramian: Tensor) -> Tensor:
        self.steps += 1
        return super().weights(gramian) / self.steps


class CountsToTen(Sum):
    steps = 0

    def weights(self, gramian: Tensor) -> Tensor:
        self.steps += 1
        return super().weights(gramian) * (2 if self.steps > 10 else 1)


class ForgetsHowLossesFell(Sum):
    fell: Any = 1.0

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.fell

    def after_step(self, losses: Any) -> None:
        self.fell = losses().mean()


class EndsAfterTen(Sum):
    steps = 0

    def weights(self, gramian: Tensor) -> Tensor:
        self.steps += 1
        return super().weights(gramian) * [1.0] * 1 if self.steps > 10 else super().weights(gramian)


class GrowsForEver(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.register_buffer("factor", torch.ones(()))

    def weights(self, gramian: Tensor) -> Tensor:
        self.factor *= 100
        return super().weights(gramian) * self.factor.clamp_min(1)


class FailsAfterTheStep(Sum):
    def after_step(self, losses: Any) -> None:
        losses().backward()


class KeepsGraphs(mtk.LossCombiner):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.history: list[Tensor] = []

    def scalarize(self, losses: Tensor) -> Tensor:
        self.history.append(losses * 2)
        return losses.sum()


class RestsInEvalMode(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.training


class DrawsWithPython(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * random.random()


class CountsInstances(Sum):
    made = 0

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        CountsInstances.made += 1
        self.number = self.made

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.number


class TurnsASetIntoTurns(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [tuple(set(self.tasks))]


class NamesATaskTwice(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [(*self.tasks, self.tasks[0])]


class TurnsRound(Sum):
    forwards = False

    def turns(self) -> list[tuple[str, ...]]:
        self.forwards = not self.forwards
        return [self.tasks if self.forwards else self.tasks[::-1]]


class SortsTheTasks(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        if isinstance(tasks, list):
            tasks.sort()


class AddsAList(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.more = tasks + ["more"]  # noqa: RUF005


class WritesIntoTheStep(Sum):
    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        step.losses.zero_()
        return super().weights(gramian)


class ReadsTheLosses(Sum):
    def weights(self, gramian: Tensor, step: mtk.Step) -> Tensor:
        return super().weights(gramian) * sum(step.losses.tolist())


class WaitsAfterTheStep(Sum):
    def after_step(self, losses: Any) -> None:
        float(losses().sum())


class ByLayer(Sum):
    """Keeps every promise, for each layer."""

    scope = "layer"

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.ones_like(gramian[..., 0])


class SharesAmongLayers(ByLayer):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) / len(gramian)


class ForgetsLayers(Sum):
    def __init__(self, tasks: Sequence[str], *, scope: mtk.Scope = "encoder") -> None:
        super().__init__(tasks)
        self.scope = scope

    def weights(self, gramian: Tensor) -> Tensor:
        whole = gramian if self.scope == "encoder" else gramian.sum(dim=0)
        weights = whole.diagonal().clamp(max=10)
        return weights if self.scope == "encoder" else weights.expand(len(gramian), -1)


class LeavesTheLastOut(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [self.tasks[:-1]]


class InventsATask(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [(*self.tasks, "rest")]


class AsksForAValue(Sum):
    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * (2 if gramian.min() < 0 else 1)


class LeavesATensorBehind(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.shares = torch.ones(len(tasks))

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * self.shares


class IsNoSum(mtk.LossCombiner):
    additive = True

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.mean()


class OnlyAdds(Sum):
    declares = frozenset({"non-conflicting"})


class OnlyAddsTwo(Sum):
    declares = frozenset({"non-conflicting-for-two"})


class PrefersTheLast(Sum):
    declares = frozenset({"permutation-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        return torch.arange(1.0, len(gramian) + 1, device=gramian.device)


class PrefersTheFirstByChance(Sum):
    declares = frozenset({"permutation-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        weights = torch.rand_like(gramian[0])
        return torch.cat([weights[:1] * 2, weights[1:]])


class FollowsTheLength(Sum):
    declares = frozenset({"scale-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal().clamp(max=10)


class IsEvenAtOne(Sum):
    declares = frozenset({"scale-equivariant"})

    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.diagonal() / (gramian.diagonal() + 1e-6)


class Triples(Sum):
    declares = frozenset({"single-task-identity"})

    def weights(self, gramian: Tensor) -> Tensor:
        return super().weights(gramian) * 3


# Augmenters ------------------------------------------------------------------------------------------------------------


class Shuffle(mtk.Augmenter):
    """Keeps every promise. Those below differ in one thing."""

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return rng.sample(words, len(words))


class KnowsASCII(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [word.encode("ascii").decode() for word in super().__call__(words, rng)]


class DropsTheFirst(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return super().__call__(words[1:], rng)


class GivesATuple(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return tuple(words)


class JoinsWords(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [" ".join(words)]


class LeavesBlanks(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [*words, ""]


class CountsCalls(Shuffle):
    calls = 0

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        self.calls += 1
        return [*words, *words[: self.calls % 2]]


class AsksTheSystem(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [*words, os.urandom(2).hex()]


class ReadsSetsInTheirOrder(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return list(set(words))


class RemembersTheLastSentence(Shuffle):
    last: Sequence[str] = ()

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        before, self.last = self.last, words
        return [*words, *(before[:1] if before != words else ())]


class HasNoBreath(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        if len(words) > 256:
            raise ValueError("that is too long")
        return list(words)


class DrawsFromNumPy(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [*words, words[np.random.randint(len(words))]]


class BeginsAnew(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        rng.seed(0)
        return super().__call__(words, rng)


class MakesNoCopies(Shuffle):
    copies = 0


class WantsATuple(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return list(words + ("more",))  # noqa: RUF005


class DrawsGlobally(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [*words, random.choice(words)]


class AppendsInPlace(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        changed = list(words)
        if isinstance(words, list):
            words.append("more")
        return changed


class WantsAList(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return words + ["more"]  # noqa: RUF005


class IgnoresAlpha(Shuffle):
    def __init__(self, *, alpha: float = 0.1) -> None: ...

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [*words, words[0]]


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
    (Sum, set()),
    (Doubles, {"shape"}),
    (KeepsADimension, {"shape"}),
    (StacksRows, {"shape"}),
    (DividesByLength, {"finite"}),
    (TakesLogarithms, {"finite"}),
    (WritesIntoTheGramian, {"inputs-kept"}),
    (WritesIntoTheGradients, {"inputs-kept"}),
    (CountsSteps, {"saving"}),
    (CountsToTen, {"saving"}),
    (ForgetsHowLossesFell, {"saving"}),
    (EndsAfterTen, {"long-run"}),
    (GrowsForEver, {"long-run"}),
    (FailsAfterTheStep, {"long-run"}),
    (KeepsGraphs, {"no-graph"}),
    (RestsInEvalMode, {"modes"}),
    (DrawsWithPython, {"same-seed"}),
    (CountsInstances, {"same-seed", "saving", "modes", "any-process"}),
    (TurnsASetIntoTurns, {"any-process"}),
    (NamesATaskTwice, {"turns"}),
    (TurnsRound, {"turns"}),
    (SortsTheTasks, {"inputs-kept"}),
    (AddsAList, {"inputs-kept"}),
    (WritesIntoTheStep, {"inputs-kept"}),
    (ReadsTheLosses, {"on-the-device"}),
    (WaitsAfterTheStep, {"on-the-device"}),
    (ByLayer, set()),
    (SharesAmongLayers, {"layers-apart"}),
    (ForgetsLayers, {"layers-apart"}),
    (IsEvenAtOne, {"scale-equivariant"}),
    (LeavesTheLastOut, {"turns"}),
    (InventsATask, {"turns"}),
    (AsksForAValue, {"on-the-device"}),
    (LeavesATensorBehind, {"on-the-device"}),
    (IsNoSum, {"additive"}),
    (OnlyAdds, {"non-conflicting"}),
    (OnlyAddsTwo, {"non-conflicting-for-two"}),
    (PrefersTheLast, {"permutation-equivariant"}),
    (PrefersTheFirstByChance, {"permutation-equivariant"}),
    (FollowsTheLength, {"scale-equivariant"}),
    (Triples, {"single-task-identity"}),
    (Shuffle, set()),
    (KnowsASCII, {"any-sentence"}),
    (DropsTheFirst, {"never-empty"}),
    (GivesATuple, {"never-empty"}),
    (JoinsWords, {"words"}),
    (LeavesBlanks, {"words"}),
    (CountsCalls, {"same-seed"}),
    (AsksTheSystem, {"same-seed", "only-its-rng", "any-process"}),
    (ReadsSetsInTheirOrder, {"any-process"}),
    (RemembersTheLastSentence, {"same-seed"}),
    (HasNoBreath, {"any-sentence"}),
    (DrawsFromNumPy, {"only-its-rng"}),
    (BeginsAnew, {"only-its-rng"}),
    (MakesNoCopies, {"copies"}),
    (WantsATuple, {"input-kept"}),
    (DrawsGlobally, {"only-its-rng"}),
    (AppendsInPlace, {"input-kept"}),
    (WantsAList, {"any-sentence", "same-seed", "only-its-rng", "input-kept", "any-process"}),
    (IgnoresAlpha, {"share"}),
]


def caught(component: type[Any]) -> dict[str, str]:
    """The checks that a component fails, and what they say."""
    messages = {}
    for check in checks(component):
        try:
            check()
        except BrokenPromise as error:
            messages[check.name] = str(error)
    return messages


@pytest.mark.parametrize(("component", "names"), CAUGHT, ids=[component.__name__ for component, _ in CAUGHT])
def test_it_is_caught_by_the_check_meant_for_it(component: type[Any], names: set[str]) -> None:
    assert caught(component).keys() == names


def test_every_promise_is_broken_by_someone() -> None:
    promises = {check.name for component, _ in CAUGHT for check in checks(component)}
    assert set().union(*(names for _, names in CAUGHT)) == promises


# What is said ----------------------------------------------------------------------------------------------------------


def test_the_message_names_class_promise_and_the_smallest_example() -> None:
    said = caught(AveragesOverPadding)["padding"]
    promise, seen = said.splitlines()
    assert promise == (
        f"{__name__}.AveragesOverPadding breaks the promise 'padding': "
        "Padding, and what an encoder leaves there, changes no logit, and in training no loss of the head's own either."
    )
    assert re.fullmatch(
        r"Seen: logits \[\[\S+\]\] became \[\[\S+\]\] with 3 more positions of padding, with one text of a binary task, "
        r"1 tokens long, seed 0\.",
        seen,
    )


def test_a_random_component_is_caught_though_it_does_not_do_it_again() -> None:
    assert "Seen: ['film', " in caught(AsksTheSystem)["same-seed"]


def test_what_a_component_raises_is_said_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import mtk\nclass Clumsy(mtk.GramianCombiner):\n  def weights(self, gramian):\n    return gramian.diagnoal()\n"
    (tmp_path / "clumsy.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    said = caught(import_module("clumsy").Clumsy)
    everywhere = {"shape", "long-run", "finite", "inputs-kept", "no-graph", "modes", "saving", "same-seed", "any-process"}
    assert said.keys() == everywhere
    for message in said.values():
        assert f"'diagnoal' ({tmp_path / 'clumsy.py'}:4)" in message
    assert "with losses [1.0] and gradients [[0.0, 0.0, 1.0]]" in said["shape"]


# What is not checked ---------------------------------------------------------------------------------------------------


class CallsASolver(AsksForAValue):
    uses_host = True


class Boasts(Sum):
    declares = frozenset({"non-conflictng"})


class NeedsThree(Sum):
    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        if len(tasks) < 3:
            raise ValueError("it needs three tasks")


class NeedsNumber(Sum):
    def __init__(self, tasks: Sequence[str], *, number: int) -> None:
        super().__init__(tasks)
        if number < 0:
            raise ValueError("number is negative")


class NeedsACorpus(Shuffle):
    def __init__(self) -> None:
        raise mtk.UsageError("There is no corpus.")


def test_who_uses_the_host_is_not_asked_to_stay_away() -> None:
    assert caught(CallsASolver) == {}


def test_a_method_is_tried_with_as_many_tasks_as_it_takes() -> None:
    assert caught(NeedsThree) == {}


def test_an_unknown_property_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        mtk.UsageError, match=r"declares 'non-conflictng', which no check knows. Did you mean non-conflicting"
    ):
        checks(Boasts)


def test_options_are_those_of_the_constructor() -> None:
    with pytest.raises(mtk.UsageError, match=r"NeedsNumber needs option 'number': write checks\(…, number=…\)"):
        checks(NeedsNumber)
    for check in checks(NeedsNumber, number=2):
        check()
    with pytest.raises(mtk.UsageError, match=r"NeedsNumber\(number=-1\) cannot be built: number is negative"):
        checks(NeedsNumber, number=-1)[0]()


def test_what_a_component_lacks_is_no_broken_promise() -> None:
    for check in checks(NeedsACorpus):
        with pytest.raises(mtk.UsageError, match="There is no corpus"):
            check()


def test_a_class_that_does_not_look_like_a_part_is_refused_before_any_check() -> None:
    with pytest.raises(mtk.UsageError, match=r"ReadsPairsItsWay sets `pair_encoding` to 'together'"):
        checks(ReadsPairsItsWay)


def test_a_class_that_another_process_cannot_import_is_not_checked_there_and_a_warning_says_so() -> None:
    class Local(Shuffle): ...

    with pytest.warns(UserWarning, match="Local is not checked in another process"):
        found = checks(Local)
    assert "any-process" not in {check.name for check in found}
    assert "any-process" in {check.name for check in checks(Shuffle)}


def test_only_components_are_checked() -> None:
    with pytest.raises(mtk.UsageError, match=r"builtins\.int is neither an mtk\.Head"):
        checks(int)


def test_the_kit_needs_no_pytest_and_mtk_needs_no_kit() -> None:
    code = (
        "import sys, mtk; assert 'hypothesis' not in sys.modules;"
        "from mtk.testing import checks; from mtk_augment.random_swap import RandomSwap;"
        "[check() for check in checks(RandomSwap)];"
        "assert not {'pytest', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_hypothesis_it_says_which_extra_brings_it() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import mtk.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "mtk.errors.UsageError: mtk.testing needs hypothesis, which an extra brings: pip install 'multitask-toolkit[test]'"
    )
