"""IMTL-G of logarithms: equal to the code that Dai, Fei and Lu published; all projections are equal."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from published import TASKS, equals, step

from mtk_optimizers.log_imtl import LogIMTL, impartial


def test_equals_the_published_code() -> None:
    _, gradients, about = step(0)
    weights = LogIMTL(TASKS).weights(gradients @ gradients.T, about)
    equals(weights, [0.3877335222513786, 0.35469049050185925, 0.0016770691859895337], 1e-7)


@given(seed=st.integers(0, 1000), count=st.integers(1, 6))
def test_the_projections_on_all_unit_gradients_are_equal(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = torch.randn(count, 20, dtype=torch.float64, generator=generator)
    units = gradients / gradients.norm(dim=1, keepdim=True)
    projections = units @ (impartial(gradients @ gradients.T) @ gradients)
    torch.testing.assert_close(projections, projections.mean().expand(count), rtol=1e-6, atol=1e-8)


def test_opposite_gradients_cancel_and_one_of_zero_is_left_out() -> None:
    gradient = torch.tensor([3.0, 4.0], dtype=torch.float64)
    for rows in ([gradient, -gradient], [gradient, -2 * gradient]):
        gradients = torch.stack(rows)
        combined = impartial(gradients @ gradients.T) @ gradients
        torch.testing.assert_close(combined, torch.zeros_like(combined), rtol=0, atol=1e-5)
    gradients = torch.stack([gradient, torch.zeros_like(gradient)])
    torch.testing.assert_close(impartial(gradients @ gradients.T) @ gradients, gradient)
