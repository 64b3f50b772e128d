"""What the shared encoder does when the tasks disagree: add up, take turns, or project conflicts away."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.combiner("sum", "mtk_optimizers.sum:Sum", summary="the sum of the losses, the study's baseline")
    registry.combiner(
        "round-robin",
        "mtk_optimizers.round_robin:RoundRobin",
        summary="one task after another, an optimizer step for each",
    )
    registry.combiner(
        "pcgrad", "mtk_optimizers.pcgrad:PCGrad", summary="gradient surgery: no task's gradient opposes another's"
    )
