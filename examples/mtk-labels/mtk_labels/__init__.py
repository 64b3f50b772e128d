"""What this package brings. mtk imports this module to list it, and the others when a run uses them."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.head(
        "label-embedding", "mtk_labels.head:LabelEmbedding", summary="the cosine between a text and each label, both learned"
    )
    registry.combiner(
        "layer-gradnorm", "mtk_labels.combiner:LayerGradNorm", summary="GradNorm in each layer: slow tasks pull harder"
    )
