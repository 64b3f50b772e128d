"""What this package brings. mtk imports this module to list it, and the others when a run uses them."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.head("bilinear", "mtk_bilinear.head:Bilinear", summary="u'Wv between the embeddings of a pair")
    registry.combiner(
        "equal-length", "mtk_bilinear.combiner:EqualLength", summary="every task's gradient at the mean length"
    )
    registry.augmenter("typo", "mtk_bilinear.augmenter:Typo", summary="neighbouring letters of some words change places")
