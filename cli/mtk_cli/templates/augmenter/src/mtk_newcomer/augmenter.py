from collections.abc import Sequence
from random import Random

import mtk


class NewcomerAugmenter(mtk.Augmenter):
    """A random stretch of the sentence, at least one word of it.

    Options: `share`, how much of the sentence is kept.
    """

    def __init__(self, *, share: float = 0.8) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; it takes more than 0 and at most 1")
        self.share = share

    # Or `example`, on an example with its label, or `batch`, on many texts at once, as mtk.Augmenter has them.
    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        kept = max(1, round(self.share * len(words)))
        start = rng.randint(0, len(words) - kept)
        return list(words[start : start + kept])
