"""What this package brings. mtk imports this module to list it, and no other."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.sampler(
        "newcomer",
        "mtk_newcomer.sampler:NewcomerSampler",
        summary="more of the tasks with small training sets",
    )
