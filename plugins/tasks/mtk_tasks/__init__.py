"""The task sets that come with mtk: one so that a first run needs nothing else, and the study's, from the hub."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.tasks("sample", "mtk_tasks:sample", summary="sentiment, paraphrase, similarity: 500 original examples each")
    registry.tasks("hub", "mtk_tasks:hub", summary="the study's from the hub: SST-5, Quora question pairs, STS-B")
