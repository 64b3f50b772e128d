"""For each promise of an augmenter a part that breaks it, and it alone, as far as that can be:

- an augmenter that is random whatever it is given fails all promises that repeat a call;
- an augmenter that wants a list fails wherever it gets what a run gives, a tuple.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

import mtk


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


class Turn(mtk.Augmenter):
    """Keeps every promise of an augmenter of whole examples. Those below differ in one thing."""

    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return [*texts[1:], f"{texts[0]} {rng.choice(alike)[0]}"], label


class WantsAPair(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        first, second = texts
        return [second, first], label


class NeedsCompany(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return rng.choice(alike[1:]), label


class LosesAText(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return texts[:1], label


class GivesTextsAlone(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return list(texts)  # type: ignore[return-value]


class GivesANumber(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return texts, float(label)


class TurnsInPlace(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        if isinstance(alike, list):
            alike.reverse()
        return texts, label


class RemembersTheLastExample(Turn):
    last = ""

    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        before, self.last = self.last, texts[0]
        return [f"{text} {before if before != texts[0] else ''}".strip() for text in texts], label


class ShufflesGlobally(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return random.choice(alike), label


class ReadsAlikeAsASet(Turn):
    def example(self, texts: Sequence[str], label: str, rng: Random, alike: Any) -> tuple[Any, Any]:
        return [" ".join(set(text.split())) for text in texts], label


class NoCopiesOfExamples(Turn):
    copies = 0


class Echo(mtk.Augmenter):
    """Keeps every promise of an augmenter of many texts. Those below differ in one thing."""

    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        return [f"{text} {rng.choice(text.split())}" for text, rng in zip(texts, rngs, strict=True)]


class ReadsASCIIInBatches(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        return [text.encode("ascii").decode() for text in texts]


class DropsDoubles(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        return list(dict.fromkeys(texts))


class GivesBlanks(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        return ["" if len(text.split()) == 1 else text for text in texts]


class CountsBatches(Echo):
    calls = 0

    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        self.calls += 1
        return [f"{text} {self.calls % 2}" for text in texts]


class DrawsFromNumPyInBatches(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        return [f"{text} {np.random.random()}" for text in texts]


class SeedsItself(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        rngs[-1].seed(0)
        return super().batch(texts, rngs)


class AppendsToTheBatch(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        if isinstance(texts, list):
            texts.append("more")
        return list(texts[: len(rngs)])


class AsksTheSystemInBatches(Echo):
    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> Any:
        return [f"{text} {os.getpid()}" for text in texts]


CAUGHT: list[tuple[type[Any], set[str]]] = [
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
    (Turn, set()),
    (WantsAPair, {"any-example", "same-seed", "only-its-rng", "input-kept", "any-process"}),
    (NeedsCompany, {"any-example", "same-seed", "only-its-rng", "input-kept", "any-process"}),
    (LosesAText, {"as-many-texts"}),
    (GivesTextsAlone, {"as-many-texts"}),
    (GivesANumber, {"with-a-label"}),
    (TurnsInPlace, {"input-kept"}),
    (RemembersTheLastExample, {"same-seed"}),
    (ShufflesGlobally, {"only-its-rng"}),
    (ReadsAlikeAsASet, {"any-process"}),
    (NoCopiesOfExamples, {"copies"}),
    (Echo, set()),
    (ReadsASCIIInBatches, {"any-batch"}),
    (DropsDoubles, {"as-many-texts"}),
    (GivesBlanks, {"as-many-texts"}),
    (CountsBatches, {"same-seed"}),
    (DrawsFromNumPyInBatches, {"only-its-rng"}),
    (SeedsItself, {"only-its-rng"}),
    (AppendsToTheBatch, {"input-kept"}),
    (AsksTheSystemInBatches, {"any-process"}),
]
"""A part, and the checks that catch it."""
