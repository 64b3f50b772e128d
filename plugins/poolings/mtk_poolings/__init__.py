"""How a sequence becomes one vector."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.pooling("mean", "mtk_poolings.mean:Mean", summary="the mean of the tokens")
    registry.pooling("cls", "mtk_poolings.cls:Cls", summary="the first token")
    registry.pooling("max", "mtk_poolings.max:Max", summary="the largest value of each dimension")
    registry.pooling("attention", "mtk_poolings.attention:Attention", summary="a mean weighted by a query that is learned")
    registry.pooling("last-layers", "mtk_poolings.last_layers:LastLayers", summary="the mean of the last k layers' tokens")
