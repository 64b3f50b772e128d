"""For each promise a component that breaks it, and it alone: the check meant for it catches it, and no other does.

Not every promise can be broken alone:

- a component that raises whatever it is given fails all of its checks, and `shape` is broken here by what broadcasts;
- a head that is random for each example fails `batch-order` beside `evaluation`; the one here is random for the batch;
- a head that no gradient flows back from fails `bfloat16` too, which goes backward;
- an augmenter that is random whatever it is given fails both `same-seed` and `only-its-rng`;
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
        return super().logits(embedding) + torch.arange(len(embedding)).unsqueeze(1)


class CentresTheBatch(Head):
    def embedding(self, text: mtk.Encoding) -> Tensor:
        return text.embedding - text.embedding.mean(dim=0)


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
        self.shift = torch.randn(outputs)

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


class DrawsGlobally(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return [*words, random.choice(words)]


class AppendsInPlace(Shuffle):
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        changed = list(words)
        words += ["more"]
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
    (ReadsPairsItsWay, {"shape"}),
    (TakesARoot, {"finite"}),
    (AveragesOverPadding, {"padding"}),
    (CountsExamples, {"batch-order"}),
    (CentresTheBatch, {"no-leak"}),
    (HasAnIdleLayer, {"gradients"}),
    (Detaches, {"gradients", "bfloat16"}),
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
    (AsksTheSystem, {"same-seed", "only-its-rng"}),
    (DrawsGlobally, {"only-its-rng"}),
    (AppendsInPlace, {"input-kept"}),
    (WantsAList, {"input-kept"}),
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
        "Padding, and what an encoder leaves there, changes no logit."
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
    assert said.keys() == {"shape", "finite", "inputs-kept", "saving", "on-the-device"}
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
