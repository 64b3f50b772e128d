"""How the learning rates fall once they have risen."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.schedule("linear", "mtk_schedules.linear:Linear", summary="down in a line")
    registry.schedule("cosine", "mtk_schedules.cosine:Cosine", summary="down half a wave of the cosine")
    registry.schedule("constant", "mtk_schedules.constant:Constant", summary="as high as it is after warm-up")
    registry.schedule("wsd", "mtk_schedules.wsd:WarmupStableDecay", summary="high for most of the run, then down in a line")
