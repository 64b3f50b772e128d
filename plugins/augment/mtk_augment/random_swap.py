"""Random swap: pairs of words change places."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import mtk
from mtk_augment.alpha import Alpha


class RandomSwap(mtk.Augmenter):
    """n = max(1, ⌊α·l⌋) times, two random ones of the l words change places. A single word comes back as it was.

    Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks",
    section 2, RS.
    """

    def __init__(self, *, alpha: Alpha = 0.1) -> None:
        self.alpha = alpha

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        changed, length, draw = list(words), len(words), rng.random
        for _ in range((int(self.alpha * length) or 1) if length > 1 else 0):
            i, j = int(draw() * length), int(draw() * (length - 1))  # as `below` draws
            if j >= i:
                j += 1  # any but i
            changed[i], changed[j] = changed[j], changed[i]
        return changed
