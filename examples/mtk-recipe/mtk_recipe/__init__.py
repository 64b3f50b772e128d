"""What this package brings. mtk imports this module to list it, and the others when a run uses them."""

from __future__ import annotations

import mtk


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    registry.kind("focal", "mtk_recipe.kind:Focal", summary="one of several labels, hard examples counting more")
    registry.sampler("smallest-first", "mtk_recipe.sampler:SmallestFirst", summary="most of the smallest tasks")
    registry.optimizer("lion", "mtk_recipe.optimizer:Lion", summary="the sign of the momentum")
    registry.schedule("quadratic", "mtk_recipe.schedule:Quadratic", summary="down in a parabola")
    registry.listener("target", "mtk_recipe.listener:Target", summary="ends a run whose average is high enough")
