"""The schedule: which factor of the learning rate each step has."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_linear_schedule_with_warmup


def build_schedule(optimizer: Optimizer, warmup: float, steps: int) -> LambdaLR:
    """The rate rises linearly over a share `warmup` of all steps, and falls linearly to 0 in the rest."""
    schedule: LambdaLR = get_linear_schedule_with_warmup(optimizer, round(warmup * steps), steps)
    return schedule
