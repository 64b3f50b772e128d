"""MGDA of logarithms: the combination is the shortest, which Désidéri's condition tells, and units do not matter."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from published import TASKS, step

from mtk_optimizers.log_mgda import LogMGDA, shortest


@given(seed=st.integers(0, 1000), count=st.integers(1, 10), size=st.sampled_from([3, 20]))
def test_no_task_progresses_less_than_the_square_of_the_shortest(seed: int, count: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = torch.randn(count, size, dtype=torch.float64, generator=generator)
    gramian = gradients @ gradients.T
    weights = shortest(gramian)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(), torch.ones((), dtype=torch.float64))
    square = weights @ gramian @ weights
    assert (gramian @ weights >= square - 1e-9 * gramian.diagonal().max()).all()


def test_of_two_gradients_it_is_the_known_point() -> None:
    gramian = torch.tensor([[1.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(shortest(gramian), torch.tensor([0.8, 0.2], dtype=torch.float64))


def test_the_gradients_are_those_of_logarithms() -> None:
    losses, gradients, about = step(0)
    of_logarithms = gradients / losses.unsqueeze(1)
    combined = LogMGDA(TASKS).weights(gradients @ gradients.T, about) @ gradients
    torch.testing.assert_close(combined, 3 * shortest(of_logarithms @ of_logarithms.T) @ of_logarithms)
