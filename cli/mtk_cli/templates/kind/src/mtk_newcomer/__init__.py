"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.kind(
        "newcomer",
        "mtk_newcomer.kind:NewcomerKind",
        summary="one of several labels, hard examples counting more",
    )
