"""A split made larger by any augmenter, and what is said of one that breaks its promise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

import mtk
from mtk.data.augmentation import augment_split
from mtk.data.split import Split


class Tag(mtk.Augmenter):
    """Adds a word, and remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[Sequence[str]] = []

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        self.seen.append(words)
        return [*words, f"+{len(self.seen)}"]


class Promise(mtk.Augmenter):
    """Gives what it is told to."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result  # type: ignore[no-any-return]


PAIRS = Split(["a", "b"], (["one  two", "three"], ["four", ""]), [0.0, 1.0], Path("x.csv"), ["x.csv:9: short"])


def test_originals_come_first_and_copies_keep_their_label() -> None:
    larger = augment_split(PAIRS, Tag(), 2, Random(0))
    assert larger.ids == ["a", "b", "a#1", "a#2", "b#1", "b#2"]
    assert larger.labels == [0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert larger.texts == (
        ["one  two", "three", "one two +1", "one two +2", "three +3", "three +4"],
        ["four", "", "four +5", "four +6", "", ""],
    )
    assert (larger.source, larger.skipped) == (PAIRS.source, PAIRS.skipped)
    assert PAIRS.ids == ["a", "b"], "the split itself stays"


def test_an_augmenter_gets_words_that_it_cannot_change_and_never_an_empty_sentence() -> None:
    tag = Tag()
    augment_split(PAIRS, tag, 1, Random(0))
    assert tag.seen == [("one", "two"), ("three",), ("four",)]


def test_without_labels_there_are_still_none() -> None:
    assert augment_split(Split(["a"], (["x"],), None, Path("x.csv")), Tag(), 1, Random(0)).labels is None


def test_the_seed_repeats_it() -> None:
    part = mtk.Registry().part("augmenter", "random-swap:copies=5")
    swap, copies = part.build(), part.framework["copies"]
    split = Split(["a"], (["one two three four five six"],), [0.0], Path("x.csv"))
    assert augment_split(split, swap, copies, Random(3)) == augment_split(split, swap, copies, Random(3))
    assert augment_split(split, swap, copies, Random(3)) != augment_split(split, swap, copies, Random(4))


@pytest.mark.parametrize("result", [[], "word", None, [1], [""], [" "], ("word",), ["word", b"word"]])
def test_a_broken_promise_is_named(result: Any) -> None:
    with pytest.raises(mtk.UsageError, match=r"Promise is broken: it promises a list of at least one word, but 'one"):
        augment_split(PAIRS, Promise(result), 1, Random(0))


def test_a_failing_augmenter_is_named_with_the_place() -> None:
    with pytest.raises(
        mtk.UsageError, match=r"Promise is broken: its __call__ failed on 'one .*': KeyError.*test_augmentation.py:"
    ):
        augment_split(PAIRS, Promise(KeyError("x")), 1, Random(0))


# building


def test_copies_are_the_augmenters_own_unless_the_user_says() -> None:
    assert mtk.Registry().part("augmenter", "random-swap").framework["copies"] is None
    part = mtk.Registry().part("augmenter", "random-swap:copies=4,alpha=0.25")
    assert (part.build().alpha, part.framework) == (0.25, {"copies": 4})


@pytest.mark.parametrize("copies", ["0", "-1", "1.5", "many"])
def test_copies_are_a_positive_number(copies: str) -> None:
    with pytest.raises(mtk.UsageError, match=rf"'{copies}' is no value for option 'copies' of 'eda': it takes int, ≥ 1"):
        mtk.Registry().part("augmenter", f"eda:copies={copies}")
