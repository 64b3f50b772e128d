"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.head(
        "newcomer",
        "mtk_newcomer.head:NewcomerHead",
        summary="two embeddings, their difference and their product",
    )
