"""What comes before training."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.stage(
        "mlm",
        "mtk_stages.mlm:MaskedLanguageModelling",
        summary="guesses hidden words of the training texts",
    )
