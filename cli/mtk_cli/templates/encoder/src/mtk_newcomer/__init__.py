"""What this package brings. mtk imports this module to list it, and reads the encoder when
a run uses it."""

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.encoder(
        "newcomer",
        "mtk_newcomer:model",  # a folder beside this file; without it, the hub is asked
        hub_id="sentence-transformers/all-MiniLM-L12-v2",
        summary="twelve layers, 384 wide, from the hub",
    )
