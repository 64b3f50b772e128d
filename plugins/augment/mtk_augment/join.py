"""Joining: two examples of one label become a longer one."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import mtk
from mtk_augment.draws import below


class Join(mtk.Augmenter):
    """The example's text, followed by that of a random other one with the same label. Of a pair, first text follows first
    and second second: two paraphrases after two others are paraphrases too. An example whose label, or score, no other has
    comes back as it was.

    Kondo et al. 2021, "Sentence Concatenation Approach to Data Augmentation for Neural Machine Translation", NAACL Student
    Research Workshop, where two pairs of sentences of a parallel corpus are joined at random. That both have one
    label is for tasks that have labels, as in the crossover of Luque 2019, "Atalaya at TASS 2019: Data Augmentation and
    Robust Embeddings for Sentiment Analysis", IberLEF.
    """

    def example(
        self, texts: Sequence[str], label: str, rng: Random, alike: Sequence[Sequence[str]]
    ) -> tuple[Sequence[str], str]:
        start, count = below(len(alike), rng), len(alike)
        candidates = (alike[(start + i) % count] for i in range(count))
        other = next((each for each in candidates if tuple(each) != tuple(texts)), None)
        return texts if other is None else [f"{text} {after}" for text, after in zip(texts, other, strict=True)], label
