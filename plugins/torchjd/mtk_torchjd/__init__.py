"""TorchJD's methods by their names: mtk's three contracts over its weightings, aggregators and scalarizers.

TorchJD is an extra. Where it is missing, its methods are listed all the same, with what they need.
"""

from __future__ import annotations

from importlib.util import find_spec

import mtk

METHODS = {
    # weights from the Gramian
    "upgrad": ("gramian:UPGrad", "projects every gradient onto the cone of directions that harm no task"),
    "dualproj": ("gramian:DualProj", "projects the mean gradient onto the cone of directions that harm no task"),
    "fairgrad": ("gramian:FairGrad", "shares the progress among the tasks by alpha-fairness"),
    "krum": ("gramian:Krum", "only the gradients that lie nearest to the others"),
    "pcd": ("gramian:PCD", "the first task's gradient, bent until every other task progresses"),
    "cr-mogm": ("gramian:CRMOGM", "another method's weights, smoothed over the steps"),
    "nash-mtl": ("gramian:NashMTL", "the tasks bargain for the direction; Nash's solution"),
    "config": ("gramian:ConFIG", "a direction at the same angle to every task's gradient"),
    # the gradients themselves
    "graddrop": ("matrix:GradDrop", "for every parameter, the gradients of one sign, drawn at random"),
    "trimmed-mean": ("matrix:TrimmedMean", "for every parameter, the mean without the extremes"),
    "excess-mtl": ("matrix:ExcessMTL", "weights grow for the tasks that have most left to learn"),
    # weights from losses
    "mean": ("losses:Mean", "the mean of the losses"),
    "constant": ("losses:Constant", "the losses weighted as you say"),
    "random": ("losses:Random", "the losses weighted at random in every step; also known as RLW"),
    "geometric-mean": ("losses:GeometricMean", "the geometric mean of the losses; also known as GLS"),
    "uw": ("losses:UW", "weights from each task's learned uncertainty"),
    "imtl-l": ("losses:IMTLL", "learned scales that make the losses equally large"),
    "famo": ("losses:FAMO", "weights that let every loss fall at the same rate"),
    "stch": ("losses:STCH", "a smooth maximum of the losses"),
    "cosmos": ("losses:COSMOS", "weighted losses, and a reward for lying along a preference"),
    "pbi": ("losses:PBI", "how far the losses lie along a preference, and how far beside it"),
}


@mtk.hookimpl
def mtk_register(registry: mtk.Registration) -> None:
    installed = find_spec("torchjd") is not None
    for name, (target, summary) in METHODS.items():
        if installed:
            registry.combiner(name, f"mtk_torchjd.{target}", summary=summary)
        else:
            registry.combiner(name, "mtk_torchjd.missing:Missing", summary=f"{summary} (needs the extra torchjd)")
