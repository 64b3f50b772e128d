"""Dropout that does not wait for its random numbers on a CPU.

There, torch draws a number for each value, some 170 million a second, on one core: an eighth of a training step. Sixteen
random bits are enough to decide, so an integer of 64 decides four times; and one number of torch's is the seed of a
generator that has the rest in half the time. So what is dropped follows torch's own seed and state.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

CHANCES = 1 << 16
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by their bytes


def dropout(x: Tensor, probability: float) -> Tensor:
    """`x` with a share of its values at zero and the others larger, so that the mean stays."""
    if x.device.type != "cpu":
        return F.dropout(x, probability)
    kept = factors(x, probability)
    return x if kept is None else x * kept


def factors(like: Tensor, probability: float) -> Tensor | None:
    """On a CPU, what dropout multiplies values such as these with: zeros, and where one is kept, what they are enlarged by.
    None, if all are kept as they are. The probability is rounded to a multiple of 2⁻¹⁶."""
    dropped = round(probability * CHANCES)
    if dropped == 0:
        return None
    if dropped == CHANCES:
        return torch.zeros_like(like)
    seed = int(torch.empty((), dtype=torch.int64).random_())
    bits = torch.from_numpy(np.random.SFC64(seed).random_raw(-(-like.numel() // 4)).view(np.int16))
    # The factor's own bits where a value is kept, and none elsewhere: integers of its size are compared and multiplied
    # several times as fast as a mask of another type is cast to it.
    kept = torch.empty(like.shape, dtype=INTEGERS[like.element_size()])
    torch.ge(bits[: like.numel()].view(like.shape), dropped - CHANCES // 2, out=kept)
    return kept.mul_(_as_integer(CHANCES / (CHANCES - dropped), like.dtype)).view(like.dtype)


@cache
def _as_integer(value: float, dtype: torch.dtype) -> int:
    """The bits of a number of this type."""
    number = torch.tensor(value, dtype=dtype)
    return int(number.view(INTEGERS[number.element_size()]))
