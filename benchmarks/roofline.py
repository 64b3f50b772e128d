"""How fast a step could be: its floating-point operations over the measured rate of matrix products, and the optimizer's
bytes over the measured bandwidth of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import measuring
import torch
from torch import nn

from mtk.data.tokens import Batch
from mtk.model.multitask import Model

# AdamW on fp32 weights reads the weight, its gradient and both moments, and writes the weight and both moments.
OPTIMIZER_BYTES = 7 * 4


@dataclass(frozen=True)
class Machine:
    """What a device can do, measured in this process."""

    flops: float  # a second, in matrix products of the precision used
    bandwidth: float  # bytes a second, read and written

    @classmethod
    def measure(cls, device: torch.device, dtype: torch.dtype) -> Machine:
        sizes = (4096, 8192) if device.type == "cuda" else (1024, 2048)
        flops = max(2 * size**3 / _seconds(_product(size, device, dtype), device) for size in sizes)
        values = torch.ones(1 << (28 if device.type == "cuda" else 25), device=device)
        to = torch.empty_like(values)
        return cls(flops, 2 * values.nbytes / _seconds(lambda: to.copy_(values), device))


def flops(model: Model, batches: Mapping[str, Sequence[Batch]]) -> float:
    """The operations of a forward and a backward pass over real tokens, padding left out: two for each weight of the
    encoder's matrices and each token, and attention's products; twice as many backwards. Heads are not counted."""
    backbone = model.encoder.backbone
    weights = sum(m.weight.numel() for m in backbone.modules() if isinstance(m, nn.Linear))
    config: Any = backbone.config
    layers, width = config.num_hidden_layers, config.hidden_size
    lengths = torch.cat(
        [r.inputs["attention_mask"].sum(dim=1) for parts in batches.values() for b in parts for r in b.readings]
    ).double()
    # queries by keys, and shares by values: a product of `length` x `width` x `length` each
    forward = 2 * weights * lengths.sum() + layers * 2 * 2 * width * (lengths**2).sum()
    return float(3 * forward)


def floor(model: Model, batches: Mapping[str, Sequence[Batch]], machine: Machine) -> float:
    """Seconds of a step that does nothing but its matrix products and AdamW, each at full speed."""
    parameters = sum(p.numel() for p in model.parameters())
    return flops(model, batches) / machine.flops + OPTIMIZER_BYTES * parameters / machine.bandwidth


def _product(size: int, device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return lambda: left @ right


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """The shortest of several times, each long enough for the clock."""

    def several() -> None:
        for _ in range(5):
            work()

    several()
    return min(measuring.seconds(several, device) for _ in range(7)) / 5
