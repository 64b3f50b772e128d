"""Listeners that need nothing but mtk."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.listener(
        "early-stopping",
        "mtk_listeners.early_stopping:EarlyStopping",
        summary="ends a run whose score does not get better",
    )
