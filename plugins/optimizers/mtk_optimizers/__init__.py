"""What the shared encoder does when the tasks disagree: add up, take turns, or project conflicts away."""

from __future__ import annotations

import mtk

METHODS = (
    # from losses
    ("scale-invariant", "scale_invariant:ScaleInvariant", "the sum of the losses' logarithms; also known as SI"),
    ("igb", "igb:IGB", "logarithms of the losses, weighted by how much each may still improve"),
    ("go4align", "go4align:GO4Align", "groups of tasks of similar risk, each with one weight"),
    ("ldc-mtl", "ldc_mtl:LDCMTL", "learned weights that make the losses equal"),
    # from the Gramian
    ("mgda", "mgda:MGDA", "the shortest convex combination of the gradients"),
    ("cagrad", "cagrad:CAGrad", "near the mean gradient, the direction that helps the worst-off task most"),
    ("imtl-g", "imtl_g:IMTLG", "a direction with the same projection on every task's unit gradient"),
    ("aligned-mtl", "aligned_mtl:AlignedMTL", "the gradients' principal components made equally long"),
    ("gradvac", "gradvac:GradVac", "turns gradients until they are as alike as they have been on average"),
    ("gradnorm", "gradnorm:GradNorm", "learned weights that let all tasks train at one rate"),
    ("log-mgda", "log_mgda:LogMGDA", "mgda of the losses' logarithms, solved on the device"),
    ("log-imtl", "log_imtl:LogIMTL", "imtl-g of the losses' logarithms"),
    ("log-cagrad", "log_cagrad:LogCAGrad", "cagrad of the losses' logarithms"),
    # from the gradients themselves
    ("db-mtl", "db_mtl:DBMTL", "logarithms of the losses, and their gradients made equally long"),
    ("sam-gs", "sam_gs:SAMGS", "gradients made equally long where their lengths are unlike, else led by their momentum"),
    ("moco", "moco:MoCo", "weights of the gradients as they are followed over the steps"),
)


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
    for name, target, summary in METHODS:
        registry.combiner(name, f"mtk_optimizers.{target}", summary=summary)
