"""Steps on which a published method's own code was run, in float64: what it gave is written in the tests."""

from __future__ import annotations

import torch
from torch import Tensor

import mtk

TASKS = ("one", "two", "three")


def step(number: int) -> tuple[Tensor, Tensor, mtk.Step]:
    """Losses [3], gradients [3, 4] and the step of that number."""
    generator = torch.Generator().manual_seed(number)
    losses = torch.rand(3, dtype=torch.float64, generator=generator) + 0.5
    gradients = torch.randn(3, 4, dtype=torch.float64, generator=generator)
    examples = torch.full((3,), 8)
    return losses, gradients, mtk.Step(TASKS, losses, examples, torch.tensor(number))


def slopes(combiner: mtk.LossCombiner, number: int) -> Tensor:
    """What each task's gradient is multiplied by, [3]."""
    losses, _, about = step(number)
    losses = losses.clone().requires_grad_()
    offered = {"step": about} if "step" in combiner.scalarize.__code__.co_varnames else {}
    combiner.scalarize(losses, **offered).backward()
    assert losses.grad is not None
    return losses.grad


def equals(given: Tensor, expected: list[float], tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(given, torch.tensor(expected, dtype=torch.float64), rtol=tolerance, atol=tolerance)
