"""MoDo: equal to TorchJD's, of the product of the halves' gradients."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, by_halves, halves

from mtk_optimizers.modo import MoDo


def test_equals_torchjd() -> None:
    aggregation = pytest.importorskip("torchjd.aggregation")
    combiner, other = MoDo(TASKS, gamma=0.05, rho=0.2).double(), aggregation.MoDoWeighting(gamma=0.05, rho=0.2)
    for number in range(5):
        first, second = halves(number)
        expected = other(first @ second.T)
        torch.testing.assert_close(
            by_halves(combiner, number), expected, rtol=1e-7, atol=1e-7
        )  # it begins with a third in fp32


def test_in_the_mean_the_weights_are_mgdas() -> None:
    """However the halves of a batch differ."""
    generator = torch.Generator().manual_seed(0)
    gradients = torch.tensor([[1.0, 0], [0, 2]], dtype=torch.float64)
    combiner, total = MoDo(TASKS[:2], gamma=0.005, rho=0.0).double(), torch.zeros(2, dtype=torch.float64)
    for number in range(6000):
        first, second = (gradients + torch.randn(2, 2, dtype=torch.float64, generator=generator) for _ in range(2))
        weights = combiner.weights(gradients @ gradients.T, first @ second.T)
        total += weights if number >= 1000 else 0
    torch.testing.assert_close(total / 5000, torch.tensor([0.8, 0.2], dtype=torch.float64), rtol=0, atol=0.05)
