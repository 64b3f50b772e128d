"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.combiner(
        "newcomer",
        "mtk_newcomer.combiner:NewcomerCombiner",
        summary="every task's gradient at the mean length",
    )
