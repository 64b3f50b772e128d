"""A split made larger by any augmenter, and what is said of one that breaks its promise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from kinds import Binary, Regression

import mtk
from mtk.data.augmentation import BATCH, augment_split
from mtk.data.split import Split
from mtk.task import Task


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


TASK = Task(name="mood", kind=Binary(("bad", "good")), text=("a",), label="y")
PAIRS = Split(["a", "b"], (["one  two", "three"], ["four", ""]), [0.0, 1.0], Path("x.csv"), ["x.csv:9: short"])


def test_originals_come_first_and_copies_keep_their_label() -> None:
    larger = augment_split(PAIRS, Tag(), 2, 0, TASK)
    assert larger.ids == ["a", "b", "a#1", "a#2", "b#1", "b#2"]
    assert larger.labels == [0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert larger.texts == (
        ["one  two", "three", "one two +1", "one two +2", "three +5", "three +6"],
        ["four", "", "four +3", "four +4", "", ""],
    )
    assert (larger.source, larger.skipped) == (PAIRS.source, PAIRS.skipped)
    assert PAIRS.ids == ["a", "b"], "the split itself stays"


def test_an_augmenter_gets_words_that_it_cannot_change_and_never_an_empty_sentence() -> None:
    tag = Tag()
    augment_split(PAIRS, tag, 1, 0, TASK)
    assert tag.seen == [("one", "two"), ("four",), ("three",)]


def test_without_labels_there_are_still_none() -> None:
    assert augment_split(Split(["a"], (["x"],), None, Path("x.csv")), Tag(), 1, 0, TASK).labels is None


def test_the_seed_repeats_it() -> None:
    part = mtk.Registry().part("augmenter", "random-swap:copies=5")
    swap, copies = part.build(), part.framework["copies"]
    split = Split(["a"], (["one two three four five six"],), [0.0], Path("x.csv"))
    assert augment_split(split, swap, copies, 3, TASK) == augment_split(split, swap, copies, 3, TASK)
    assert augment_split(split, swap, copies, 3, TASK) != augment_split(split, swap, copies, 4, TASK)


@pytest.mark.parametrize("result", [[], "word", None, [1], [""], [" "], ("word",), ["word", b"word"]])
def test_a_broken_promise_is_named(result: Any) -> None:
    with pytest.raises(mtk.UsageError, match=r"Promise is broken: it promises a list of at least one word, but 'one"):
        augment_split(PAIRS, Promise(result), 1, 0, TASK)


def test_a_failing_augmenter_is_named_with_the_place() -> None:
    with pytest.raises(
        mtk.UsageError, match=r"Promise is broken: its __call__ failed on 'one .*': KeyError.*test_augmentation.py:"
    ):
        augment_split(PAIRS, Promise(KeyError("x")), 1, 0, TASK)


# whole examples


class Oppose(mtk.Augmenter):
    """The other label, and what it was given beside."""

    def __init__(self) -> None:
        self.alike: list[Any] = []

    def example(self, texts: Sequence[str], label: str, alike: Sequence[Any]) -> tuple[Sequence[str], str]:
        self.alike.append(alike)
        return [f"not {text}" for text in texts], {"bad": "good", "good": "bad"}[label]


def test_an_example_changes_with_its_label() -> None:
    split = Split(["a", "b", "c"], (["x", "y", "z"],), [0.0, 1.0, 0.0], Path("x.csv"))
    oppose = Oppose()
    larger = augment_split(split, oppose, 1, 0, TASK)
    assert larger.texts == (["x", "y", "z", "not x", "not y", "not z"],)
    assert larger.labels == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert oppose.alike == [(("x",), ("z",)), (("y",),), (("x",), ("z",))]


def test_a_score_that_stays_is_the_same_number() -> None:
    class Keep(mtk.Augmenter):
        def example(self, texts: Sequence[str], label: str) -> tuple[Sequence[str], str]:
            return texts, label if label == str(1 / 3) else f"{float(label) / 2}"

    task = Task(name="alike", kind=Regression(0, 5), text=("a",), label="y")
    larger = augment_split(Split(["a", "b"], (["x", "y"],), [1 / 3, 3.0], Path("x.csv")), Keep(), 1, 0, task)
    assert larger.labels == [1 / 3, 3.0, 1 / 3, 1.5]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ((["x"], "bad"), r"it promises \(2 texts"),
        (
            (["x", "y"], "fine"),
            r"it gave \('one  two', 'four'\) a label that mood has not: 'fine' is none of",
        ),
        ((["x", " "], "bad"), r"it promises \(2 texts that are not blank, a label\), but \('one  two', 'four'\) became "),
        ((["x", "y"], 1.0), r"it promises \(2 texts that are not blank, a label\)"),
        (["x", "y"], r"it promises \(2 texts"),
        (None, r"it promises \(2 texts .* became None"),
        (("ab", "bad"), r"it promises \(2 texts"),
    ],
)
def test_a_broken_example_is_named(result: Any, message: str) -> None:
    class Promised(mtk.Augmenter):
        def example(self, texts: Sequence[str]) -> Any:
            return result

    with pytest.raises(mtk.UsageError, match=message):
        augment_split(PAIRS, Promised(), 1, 0, TASK)


# many texts at once


class Model(mtk.Augmenter):
    """Marks what it was given together."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch(self, texts: Sequence[str], rngs: Sequence[Random]) -> list[str]:
        self.sizes.append(len(texts))
        return [f"{text} {rng.random()}" for text, rng in zip(texts, rngs, strict=True)]


def test_a_batch_has_the_texts_of_rows_without_the_blank_ones() -> None:
    model = Model()
    larger = augment_split(PAIRS, model, 2, 0, TASK)
    assert model.sizes == [3, 3], "of two rows with two texts one is blank; a call for each copy"
    assert [text.partition(" 0.")[0] for text in larger.texts[0]] == ["one  two", "three", *["one  two"] * 2, *["three"] * 2]
    assert [text.partition(" 0.")[0] for text in larger.texts[1]] == ["four", "", "four", "four", "", ""]
    assert len({text for column in larger.texts for text in column}) == 10, "each copy has draws of its own"


def test_a_batch_is_not_larger_than_it_may_be() -> None:
    model, count = Model(), 2 * BATCH + 3
    split = Split([str(i) for i in range(count)], (["x"] * count,), [0.0] * count, Path("x.csv"))
    assert len(augment_split(split, model, 1, 0, TASK)) == 2 * count
    assert model.sizes == [BATCH, BATCH, 3]


@pytest.mark.parametrize("result", [["x"], ["x", "y", ""], ["x", "y", 1], "xyz", None])
def test_a_broken_batch_is_named(result: Any) -> None:
    class Promised(mtk.Augmenter):
        def batch(self, texts: Sequence[str]) -> Any:
            return result

    with pytest.raises(mtk.UsageError, match="Promised is broken: it promises a list of 3 texts, none of them blank, and"):
        augment_split(PAIRS, Promised(), 1, 0, TASK)


# what is drawn


@pytest.mark.parametrize("spec", ["random-swap", "aeda", Model])
def test_what_is_drawn_for_a_row_is_its_own(spec: Any) -> None:
    """Whatever stands beside it, and wherever."""
    texts = [f"a{i} b{i} c{i} d{i} e{i} f{i} g{i} h{i}" for i in range(80)]
    ids = [str(i) for i in range(80)]

    def made(order: Sequence[int], seed: int = 0, task: Task = TASK) -> dict[str, str]:
        augmenter = mtk.Registry().part("augmenter", spec).build() if isinstance(spec, str) else spec()
        split = Split([ids[i] for i in order], ([texts[i] for i in order],), [0.0] * len(order), Path("x.csv"))
        larger = augment_split(split, augmenter, 2, seed, task)
        return dict(zip(larger.ids, larger.texts[0], strict=True))

    everything, some = made(range(80)), made([70, 3, 41])
    assert some == {name: everything[name] for name in some}
    assert made(range(80), seed=1) != everything
    assert made(range(80), task=Task(name="other", kind=Binary(), text=("a",), label="y")) != everything


# building


def test_copies_are_the_augmenters_own_unless_the_user_says() -> None:
    assert mtk.Registry().part("augmenter", "random-swap").framework["copies"] is None
    part = mtk.Registry().part("augmenter", "random-swap:copies=4,alpha=0.25")
    assert (part.build().alpha, part.framework) == (0.25, {"copies": 4})


@pytest.mark.parametrize("copies", ["0", "-1", "1.5", "many"])
def test_copies_are_a_positive_number(copies: str) -> None:
    with pytest.raises(mtk.UsageError, match=rf"'{copies}' is no value for option 'copies' of 'eda': it takes int, ≥ 1"):
        mtk.Registry().part("augmenter", f"eda:copies={copies}")
