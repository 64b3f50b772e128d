"""AEDA: punctuation marks come in anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Annotated

import msgspec

import mtk
from mtk_augment.draws import below, one_of

MARKS = ".;?:!,"


class Aeda(mtk.Augmenter):
    """Before n random ones of the l words stands a punctuation mark of its own, a random one of . ; ? : ! and , where n is a
    random number from 1 to l/3. No word is lost, and none changes its place.

    Karimi, Rossi and Prati 2021, "AEDA: An Easier Data Augmentation Technique for Text Classification", Findings of EMNLP,
    section 3. The authors' code lets n reach 0.3·l + 1: that is `share=0.3` and, where l is 4 or more, one mark more.

    Options: `share`, the marks that a sentence gets at most, as a share of its words, and one at least.
    """

    def __init__(self, *, share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1 / 3) -> None:
        self.share = share

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        marks = 1 + below(int(self.share * len(words)) or 1, rng)
        marked = set(rng.sample(range(len(words)), marks))
        changed = []
        for place, word in enumerate(words):
            changed += [one_of(MARKS, rng), word] if place in marked else [word]
        return changed
