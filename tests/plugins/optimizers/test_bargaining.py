"""What the tasks settle on solves the equation, whatever its power and the gradients' lengths."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtk_optimizers.bargaining import settle


@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 16),
    power=st.sampled_from([0.25, 0.5, 1]),
    length=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_it_solves_the_equation(seed: int, count: int, power: float, length: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = length * torch.randn(count, 40, dtype=torch.float64, generator=generator)
    shares = 0.5 + torch.rand(count, dtype=torch.float64, generator=generator)
    gramian = gradients @ gradients.T
    weights = settle(gramian, shares, power)
    assert (weights > 0).all()
    torch.testing.assert_close(gramian @ weights, (shares / weights) ** power, rtol=1e-4, atol=0)


def test_alone_it_is_known() -> None:
    weights = settle(torch.tensor([[4.0]], dtype=torch.float64), torch.tensor([9.0], dtype=torch.float64), 1)
    assert weights.item() == pytest.approx(1.5)


@pytest.mark.parametrize("gradients", [[[1.0, 0], [-1, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]])
def test_what_cannot_be_settled_is_finite(gradients: list[list[float]]) -> None:
    rows = torch.tensor(gradients, dtype=torch.float64)
    assert (settle(rows @ rows.T, torch.ones(2, dtype=torch.float64), 1) @ rows).isfinite().all()
