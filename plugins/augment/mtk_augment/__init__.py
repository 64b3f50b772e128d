"""The augmenters that come with mtk: the four operations of Easy Data Augmentation, their mixture, and three that need no
WordNet."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.augmenter(
        "synonym-replacement",
        "mtk_augment.synonym_replacement:SynonymReplacement",
        summary="some words give way to a WordNet synonym",
    )
    registry.augmenter(
        "random-insertion",
        "mtk_augment.random_insertion:RandomInsertion",
        summary="synonyms of some words come in anywhere",
    )
    registry.augmenter("random-swap", "mtk_augment.random_swap:RandomSwap", summary="pairs of words change places")
    registry.augmenter("random-deletion", "mtk_augment.random_deletion:RandomDeletion", summary="some words are left out")
    registry.augmenter("eda", "mtk_augment.eda:Eda", summary="one of the four at random: Easy Data Augmentation")
    registry.augmenter("aeda", "mtk_augment.aeda:Aeda", summary="punctuation marks come in anywhere")
    registry.augmenter("join", "mtk_augment.join:Join", summary="two examples of one label become a longer one")
    registry.augmenter("exchange", "mtk_augment.exchange:Exchange", summary="the two texts of a pair change places")
