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
]
"""A part, and the checks that catch it."""
