"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.stage(
        "newcomer",
        "mtk_newcomer.stage:NewcomerStage",
        summary="tells the training texts apart",
    )
