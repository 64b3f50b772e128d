"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.optimizer(
        "newcomer",
        "mtk_newcomer.optimizer:NewcomerOptimizer",
        summary="the sign of the gradient's running mean",
    )
