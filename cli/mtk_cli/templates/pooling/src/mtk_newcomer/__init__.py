"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.pooling(
        "newcomer",
        "mtk_newcomer.pooling:NewcomerPooling",
        summary="a mean of the tokens in which large values count more",
    )
