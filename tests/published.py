"""Steps on which a published method's own code was run, in float64: what it gave is written in the tests."""

from __future__ import annotations

import torch
from torch import Tensor

import mtk
from mtk.calling.failures import call

TASKS = ("one", "two", "three")


def step(number: int) -> tuple[Tensor, Tensor, mtk.Step]:
    """Losses [3], gradients [3, 4] and the step of that number."""
    generator = torch.Generator().manual_seed(number)
    losses = torch.rand(3, dtype=torch.float64, generator=generator) + 0.5
    gradients = torch.randn(3, 4, dtype=torch.float64, generator=generator)
    examples = torch.full((3,), 8)
    return losses, gradients, mtk.Step(TASKS, losses, examples, torch.tensor(number))


def halves(number: int) -> tuple[Tensor, Tensor]:
    """The gradients [3, 4] of two halves of that step's examples, whose mean is the step's."""
    noise = 0.3 * torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(number + 1000))
    gradients = step(number)[1]
    return gradients + noise, gradients - noise


def by_halves(combiner: mtk.GramianCombiner, number: int) -> Tensor:
    """The weights [3] that a method makes of them."""
    _, gradients, about = step(number)
    first, second = halves(number)
    found: Tensor = call(combiner, "weights", gramian=gradients @ gradients.T, cross=first @ second.T, step=about)
    return found


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
