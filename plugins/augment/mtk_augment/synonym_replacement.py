"""Synonym replacement: some words give way to a synonym."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import mtk
from mtk_augment import wordnet
from mtk_augment.alpha import Alpha
from mtk_augment.draws import some_of


class SynonymReplacement(mtk.Augmenter):
    """n = max(1, ⌊α·l⌋) of the l words, chosen among those that have synonyms, are each replaced by one of theirs; all of
    them where there are fewer. A sentence none of whose words has a synonym comes back as it was. Function words stay; a
    replacement takes over the word's punctuation and initial capital, and can be several words.

    Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks",
    section 2, SR. Raises UsageError if WordNet cannot be had.
    """

    def __init__(self, *, alpha: Alpha = 0.1) -> None:
        wordnet.load()
        self.alpha = alpha

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        changed, several, draw = list(words), [], rng.random
        for place, (_, replacements) in some_of(wordnet.offers(words), int(self.alpha * len(words)) or 1, rng):
            new = replacements[int(draw() * len(replacements))]  # as `one_of` draws
            if " " in new:
                several.append((place, new.split()))
            else:
                changed[place] = new
        if several:
            for place, new_words in sorted(several, reverse=True):  # from the end, as one word becomes several
                changed[place : place + 1] = new_words
        return changed
