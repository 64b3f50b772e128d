"""Easy Data Augmentation: the mixture of the four operations."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import ClassVar

import mtk
from mtk_augment.alpha import Alpha
from mtk_augment.random_deletion import RandomDeletion
from mtk_augment.random_insertion import RandomInsertion
from mtk_augment.random_swap import RandomSwap
from mtk_augment.synonym_replacement import SynonymReplacement


class Eda(mtk.Augmenter):
    """Each sentence is changed by one operation, chosen uniformly, so that an example's copies are spread over the four:
    synonym replacement, random insertion, random swap, random deletion, all with the same α.

    Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks",
    section 2. Raises UsageError if WordNet cannot be had.
    """

    copies: ClassVar[int] = 9

    def __init__(self, *, alpha: Alpha = 0.1) -> None:
        operations = (SynonymReplacement, RandomInsertion, RandomSwap, RandomDeletion)
        self._changes = tuple(operation(alpha=alpha).__call__ for operation in operations)

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return self._changes[int(rng.random() * 4)](words, rng)  # as `one_of` draws
