from __future__ import annotations

from collections.abc import Sequence
from random import Random

import mtk


class Typo(mtk.Augmenter):
    """In a share of the words, and in one at least, two neighbouring letters change places, as a hasty typist has it. A
    word of a single letter stays as it is.

    Options: `share`, of the words.
    """

    def __init__(self, *, share: float = 0.1) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; it takes more than 0 and at most 1")
        self.share = share

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        changed = list(words)
        long = [place for place, word in enumerate(words) if len(word) > 1]
        for place in rng.sample(long, min(len(long), max(1, int(self.share * len(words))))):
            word = changed[place]
            at = rng.randrange(len(word) - 1)
            changed[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return changed
