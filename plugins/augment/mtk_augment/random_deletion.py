"""Random deletion: some words are left out."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, log1p
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
        rate = log1p(-alpha) if alpha < 1 else -inf
        self._scale = max(1 / rate, -1e300)  # finite; makes of the logarithm of a draw how many words are spared

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        """From the end on, with a draw for each word that is left out, and not for each that is not: how many words lie
        between two that are is distributed geometrically, P(gap ≥ k) = (1 - α)ᵏ."""
        kept, draw, scale = list(words), rng.random, self._scale
        place = len(kept)
        while (place := place - 1 - int(log(1 - draw()) * scale)) >= 0:
            del kept[place]
        return kept or [one_of(words, rng)]
