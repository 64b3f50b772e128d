"""Random deletion: some words are left out."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import mtk
from mtk_augment.alpha import Alpha
from mtk_augment.draws import one_of


class RandomDeletion(mtk.Augmenter):
    """Each word is left out with probability α. Where that would leave nothing, one random word stays; so a single word
    comes back as it was.

    Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks",
    section 2, RD.
    """

    def __init__(self, *, alpha: Alpha = 0.1) -> None:
        self.alpha = alpha

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        draw, alpha = rng.random, self.alpha
        return [word for word in words if draw() >= alpha] or [one_of(words, rng)]
