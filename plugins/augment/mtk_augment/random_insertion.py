"""Random insertion: synonyms of some words come in anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import mtk
from mtk_augment import wordnet
from mtk_augment.alpha import Alpha


class RandomInsertion(mtk.Augmenter):
    """n = max(1, ⌊α·l⌋) times, a synonym of a random one of the l words comes in at a random place. A sentence none of
    whose words has a synonym comes back as it was. Function words bring none; a synonym can be several words.

    Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks",
    section 2, RI. Raises UsageError if WordNet cannot be had.
    """

    def __init__(self, *, alpha: Alpha = 0.1) -> None:
        wordnet.load()
        self.alpha = alpha

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        changed, offered, draw = list(words), wordnet.offers(words), rng.random
        for _ in range((int(self.alpha * len(words)) or 1) if offered else 0):
            place = int(draw() * (len(changed) + 1))  # as `below` does
            synonyms = offered[int(draw() * len(offered))][1][0]
            chosen = synonyms[int(draw() * len(synonyms))]
            if " " in chosen:
                changed[place:place] = chosen.split()
            else:
                changed.insert(place, chosen)
        return changed
