"""What this package brings. mtk imports this module to list it, and reads the folder when a
run uses it."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.tasks(
        "newcomer",
        "mtk_newcomer:corpus",
        summary="what a message is, and whether a reply answers it",
    )
