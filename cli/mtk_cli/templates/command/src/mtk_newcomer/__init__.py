"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.command(
        "newcomer",
        "mtk_newcomer.command:command",
        summary="the best average of each run, the highest first",
    )
