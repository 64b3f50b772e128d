"""The augmenter contract: from one sentence's words to another sentence's, with the same label.

The smallest augmenter:

    class Echo(mtk.Augmenter):
        def __call__(self, words, rng):
            return [*words, rng.choice(words)]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import ClassVar


class Augmenter(ABC):
    """Changes one sentence. The keyword-only arguments of the constructor are the options that a user can set,
    `NAME:key=value`. Beside them every augmenter takes `copies=N`: how many changed copies of each training example are
    added to the original.

    The framework applies it to each sentence of a pair by itself, keeps the label, and never passes an empty sentence.
    """

    copies: ClassVar[int] = 1
    """How many copies are made of each example where the user does not say."""

    @abstractmethod
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        """The changed sentence: at least one word. `words` must stay as it is, and all randomness must come from `rng`,
        so that a seed repeats a run."""
