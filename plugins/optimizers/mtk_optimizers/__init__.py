"""What the shared encoder does when the tasks disagree: add up, take turns, or project conflicts away."""

from __future__ import annotations

import mtk

METHODS = (
    # from losses
    ("scale-invariant", "scale_invariant:ScaleInvariant", "the sum of the losses' logarithms; also known as SI"),
    ("dwa", "dwa:DWA", "weights from how fast each loss has been falling"),
    ("igb", "igb:IGB", "logarithms of the losses, weighted by how much each may still improve"),
    ("go4align", "go4align:GO4Align", "groups of tasks of similar risk, each with one weight"),
    ("ldc-mtl", "ldc_mtl:LDCMTL", "learned weights that make the losses equal"),
    ("uw-so", "uw_so:UWSO", "the softmax of the inverse losses; uncertainty weighting in closed form"),
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
    ("conicgrad", "conicgrad:ConicGrad", "in a cone around the mean gradient, what helps the worst-off task most"),
    ("imgrad", "imgrad:IMGrad", "cagrad, for the worst-off task the more the gradients are out of balance"),
    ("ntkmtl", "ntkmtl:NTKMTL", "more for tasks whose gradients are short, as their neural tangent kernels tell"),
    ("pivrg", "pivrg:PIVRG", "more for tasks that are furthest behind their scores when trained alone"),
    # from the products of two halves of a batch
    ("modo", "modo:MoDo", "mgda's weights, followed over the steps without the bias of a batch"),
    ("sdmgrad", "sdmgrad:SDMGrad", "the worst-off task, held near the mean gradient, without the bias of a batch"),
    ("ferero", "ferero:FERERO", "losses in the proportion that you ask for"),
    ("auxinash", "auxinash:AuxiNash", "a bargain in which a task has power by what it does for the main task"),
    ("auto-lambda", "auto_lambda:AutoLambda", "weights that learn what each task's step does for the primary tasks"),
    ("moml", "moml:MOML", "weights that learn what each task's step does for the worst-off task"),
    ("forum", "forum:FORUM", "learned weights, and a direction in which all losses fall on other examples"),
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
