"""How many examples of each task a step takes: as many of each, or more of those that have more."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.sampler("equal", "mtk_samplers.equal:Equal", summary="every task its batch size, whatever its training set's")
    registry.sampler(
        "proportional", "mtk_samplers.power:Proportional", summary="as much of a task as it has of all training examples"
    )
    registry.sampler(
        "square-root", "mtk_samplers.power:SquareRoot", summary="in proportion to the root of a training set's size"
    )
    registry.sampler("temperature", "mtk_samplers.power:Temperature", summary="in proportion to size to the power of 1/T")
    registry.sampler("annealed", "mtk_samplers.annealed:Annealed", summary="from proportional to nearly equal, by epoch")
