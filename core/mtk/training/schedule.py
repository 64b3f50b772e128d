"""The learning rates of each step: up in a line while it is warm-up, and then as the schedule says."""

from __future__ import annotations

from math import isfinite

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from mtk.calling.failures import broken, call
from mtk.schedule import Schedule


def build_schedule(schedule: Schedule, optimizer: Optimizer, warmup: float, steps: int) -> LambdaLR:
    """The rate rises linearly over a share `warmup` of all steps. Every factor is asked for once here: raises UsageError,
    naming the schedule, for one that is no rate."""
    rising = round(warmup * steps)

    def factor(step: int) -> float:
        if step < rising:
            return step / rising
        left = max(0.0, (steps - step) / max(1, steps - rising))
        given = call(schedule, "factor", left=left, progress=1 - left, step=step, steps=steps)
        if not isinstance(given, int | float) or not isfinite(given) or given < 0:
            raise broken(schedule, "factor", f"its factor promises a number of 0 or more, and gave {given!r}")
        return float(given)

    for step in {*range(0, steps, max(1, steps // 100)), steps}:
        factor(step)
    return LambdaLR(optimizer, factor)
