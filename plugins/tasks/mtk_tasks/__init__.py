"""The task set that comes with mtk, so that a first run needs nothing else."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.tasks("sample", "mtk_tasks:sample", summary="sentiment, paraphrase, similarity: 500 original examples each")
