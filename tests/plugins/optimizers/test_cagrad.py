"""CAGrad: the optimum, which the conditions of Karush, Kuhn and Tucker tell; beside TorchJD's it is in test_torchjd.py."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published import TASKS
from torch import Tensor

from mtk_optimizers.cagrad import CAGrad, worst_off


def some(seed: int, count: int, size: int) -> Tensor:
    rows = torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    gramian = rows @ rows.T
    return gramian / gramian.trace()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.sampled_from([1, 2, 3, 5, 8, 9, 16]),
    size=st.sampled_from([3, 20]),
    c=st.floats(0.05, 0.95),
)
def test_no_change_within_the_simplex_improves_it(seed: int, count: int, size: int, c: float) -> None:
    gramian = some(seed, count, size)
    radius = c * gramian.mean().sqrt()
    weights = worst_off(gramian, gramian.mean(dim=1), radius)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(), torch.ones((), dtype=torch.float64))
    length = (weights @ gramian @ weights).clamp_min(0).sqrt()
    if length > 1e-3:  # where it is none, no direction is better than the mean gradient
        slopes = gramian.mean(dim=1) + radius * (gramian @ weights) / length
        assert (slopes >= weights @ slopes - 2e-5).all()


def test_of_few_and_of_many_are_the_same() -> None:
    from mtk_optimizers.cagrad import _of_few
    from mtk_optimizers.simplex import least_with_length

    for seed in range(20):
        gramian = some(seed, 4, 20)
        radius = 0.5 * gramian.mean().sqrt()
        linear = gramian.mean(dim=1)
        few, many = _of_few(gramian, linear, radius), least_with_length(gramian, linear, radius)
        torch.testing.assert_close(few, many, rtol=0, atol=1e-7)


@pytest.mark.parametrize("length", [1e-2, 1e-4, 1e-6, 0.0])
def test_a_learned_task_does_not_stop_cagrad(length: float) -> None:
    """It improves the others, and by no less than half of what the mean gradient gives: it is in the ball around that."""
    rows = torch.randn(3, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = rows * torch.tensor([[length], [1], [1]])
    mean = rows.mean(dim=0)
    assert CAGrad(TASKS).weights(rows @ rows.T) @ rows @ mean >= 0.49 * mean @ mean
