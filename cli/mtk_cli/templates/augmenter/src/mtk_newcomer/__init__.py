"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.augmenter(
        "newcomer",
        "mtk_newcomer.augmenter:NewcomerAugmenter",
        summary="a random stretch of the sentence",
    )
