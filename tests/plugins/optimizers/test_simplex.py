"""The best weights on the simplex: the conditions of the optimum hold, for one problem and for many at once."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from mtk_optimizers.simplex import least, least_with_length, nearest, shortest


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


@given(seed=st.integers(0, 1000), count=st.integers(1, 10), size=st.sampled_from([3, 20]))
def test_no_change_within_the_simplex_improves_it(seed: int, count: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(2, count, size, dtype=torch.float64, generator=generator)
    quadratic, linear = rows @ rows.mT, torch.randn(2, count, dtype=torch.float64, generator=generator)
    weights = least(quadratic, linear)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, dtype=torch.float64))
    slopes = (quadratic @ weights.unsqueeze(2)).squeeze(2) + linear
    reached = (weights * slopes).sum(dim=1, keepdim=True)
    assert (slopes >= reached - 1e-8 * quadratic.diagonal(dim1=1, dim2=2).amax(dim=1, keepdim=True)).all()
    torch.testing.assert_close(least(quadratic[0], linear[0]), weights[0])


@given(seed=st.integers(0, 1000), count=st.integers(1, 10))
def test_no_weights_are_nearer_than_the_nearest(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = 2 * torch.randn(5, count, dtype=torch.float64, generator=generator)
    found = nearest(values)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(5, dtype=torch.float64))
    others = torch.rand(200, 1, count, dtype=torch.float64, generator=generator).exp()
    others = others / others.sum(dim=2, keepdim=True)
    assert ((values - found).norm(dim=1) <= (values - others).norm(dim=2) + 1e-12).all()
    torch.testing.assert_close(nearest(found), found)


@given(seed=st.integers(0, 1000), count=st.integers(1, 16))
def test_no_change_within_the_simplex_improves_what_has_a_length(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 20, dtype=torch.float64, generator=generator)
    gramian, linear = rows @ rows.T, torch.randn(count, dtype=torch.float64, generator=generator)
    weights = least_with_length(gramian, linear, torch.tensor(0.7, dtype=torch.float64))
    slopes = linear + 0.7 * gramian @ weights / (weights @ gramian @ weights).sqrt()
    assert (slopes >= weights @ slopes - 1e-7 * gramian.diagonal().max()).all()
