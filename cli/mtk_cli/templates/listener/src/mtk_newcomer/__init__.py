"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.listener(
        "newcomer",
        "mtk_newcomer.listener:NewcomerListener",
        summary="each task's score after every epoch, as a CSV file",
    )
