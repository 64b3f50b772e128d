"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.schedule(
        "newcomer",
        "mtk_newcomer.schedule:NewcomerSchedule",
        summary="the learning rate falls as a power of what is left",
    )
