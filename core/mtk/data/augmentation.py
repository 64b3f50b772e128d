"""Training text made larger: every example is kept, and changed copies of it are added."""

from __future__ import annotations

from itertools import chain
from random import Random

from mtk.augmenter import Augmenter
from mtk.calling.failures import broken, call
from mtk.data.split import Split


def augment_split(split: Split, augmenter: Augmenter, copies: int, rng: Random) -> Split:
    """The examples of `split` as they are, then `copies` changed ones of each with its label: those of example ID are
    ID#1, ID#2, … The two texts of a pair are changed each by itself.

    Raises UsageError if the augmenter breaks its promise.
    """
    return Split(
        [*split.ids, *(f"{name}#{number}" for name in split.ids for number in range(1, copies + 1))],
        tuple(
            [*column, *chain.from_iterable(changed_copies(text, augmenter, copies, rng) for text in column)]
            for column in split.texts
        ),
        None if split.labels is None else split.labels + [label for label in split.labels for _ in range(copies)],
        split.source,
        split.skipped,
        split.notes,
    )


def changed_copies(text: str, augmenter: Augmenter, copies: int, rng: Random) -> list[str]:
    """`copies` changed ones of a text. A text without a word stays as it is. Raises UsageError."""
    words = tuple(text.split())
    if not words:
        return [text] * copies
    texts = []
    for _ in range(copies):
        result = call(augmenter, "__call__", on=f" on '{text}'", words=words, rng=rng)
        if not _are_words(result):
            promised = "it promises a list of at least one word"
            raise broken(augmenter, "__call__", f"{promised}, but '{text}' became {result!r}")
        texts.append(" ".join(result))
    return texts


def _are_words(result: object) -> bool:
    try:
        return isinstance(result, list) and bool(result) and all(map(str.strip, result))
    except TypeError:  # something that is no string
        return False
