"""PCGrad on the Gramian against algorithm 1 of Yu et al. 2020 carried out on whole gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from torch import Tensor

from mtk_optimizers.pcgrad import PCGrad, project


def algorithm_1(gradients: Tensor, orders: Tensor) -> Tensor:
    """Gradients [T, P], orders [T, T] -> the projected gradients [T, P], as the paper writes it down."""
    projected = gradients.clone()
    for i, order in enumerate(orders.tolist()):
        for j in order:
            if j != i and projected[i] @ gradients[j] < 0:
                projected[i] -= (projected[i] @ gradients[j]) / gradients[j].norm() ** 2 * gradients[j]
    return projected


def random_orders(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, count, generator=generator).argsort(dim=1)


def random_gradients(count: int, seed: int, size: int = 40) -> Tensor:
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(count=st.integers(2, 8), seed=st.integers(0, 10_000))
def test_equals_algorithm_1_on_whole_gradients(count: int, seed: int) -> None:
    gradients, orders = random_gradients(count, seed), random_orders(count, seed)
    event(f"conflict: {bool((gradients @ gradients.T < 0).any())}")
    projected = project(gradients @ gradients.T, orders) @ gradients
    torch.testing.assert_close(projected, algorithm_1(gradients, orders), rtol=1e-9, atol=1e-10)


@given(count=st.integers(2, 8), seed=st.integers(0, 1000))
def test_a_gradient_of_zero_changes_nothing_for_the_others(count: int, seed: int) -> None:
    gradients, orders = random_gradients(count, seed), random_orders(count, seed)
    gradients[seed % count] = 0
    projected = project(gradients @ gradients.T, orders) @ gradients
    assert projected.isfinite().all()
    torch.testing.assert_close(projected, algorithm_1(gradients, orders), rtol=1e-9, atol=1e-10)


@given(count=st.integers(1, 8), seed=st.integers(0, 1000))
def test_without_conflict_it_is_the_sum_exactly(count: int, seed: int) -> None:
    gradients = random_gradients(count, seed).abs()
    weights = PCGrad([f"t{i}" for i in range(count)]).weights(gradients @ gradients.T)
    assert torch.equal(weights, torch.ones(count, dtype=torch.float64))


def test_one_task_keeps_its_gradient() -> None:
    gradient = random_gradients(1, 0)
    assert torch.equal(PCGrad(["a"]).weights(gradient @ gradient.T), torch.ones(1, dtype=torch.float64))


@given(seed=st.integers(0, 10_000))
def test_of_two_tasks_neither_opposes_the_other_afterwards(seed: int) -> None:
    gradients = random_gradients(2, seed, size=3)
    projected = project(gradients @ gradients.T, random_orders(2, seed)) @ gradients
    assert projected[0] @ gradients[1] >= -1e-9
    assert projected[1] @ gradients[0] >= -1e-9


def test_equal_and_opposite_gradients_cancel() -> None:
    gradient = random_gradients(1, 0)
    gradients = torch.cat([gradient, -gradient])
    combined = PCGrad(["a", "b"]).weights(gradients @ gradients.T) @ gradients
    torch.testing.assert_close(combined, torch.zeros_like(combined))


@given(count=st.integers(2, 6), seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
def test_a_common_scale_of_all_gradients_leaves_the_weights(count: int, seed: int, scale: float) -> None:
    gradients, orders = random_gradients(count, seed), random_orders(count, seed)
    gramian = gradients @ gradients.T
    torch.testing.assert_close(project(gramian * scale, orders), project(gramian, orders))


def test_mean_is_the_sum_divided_by_the_tasks() -> None:
    gradients = random_gradients(4, 3)
    torch.manual_seed(0)
    total = PCGrad(list("abcd")).weights(gradients @ gradients.T)
    torch.manual_seed(0)
    mean = PCGrad(list("abcd"), reduction="mean").weights(gradients @ gradients.T)
    torch.testing.assert_close(mean, total / 4)


def test_the_order_is_drawn_from_the_seed() -> None:
    gradients = random_gradients(6, 1, size=5)
    gramian = gradients @ gradients.T

    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return PCGrad(list("abcdef")).weights(gramian)

    assert torch.equal(draw(0), draw(0))
    assert any(not torch.equal(draw(0), draw(seed)) for seed in range(1, 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_have_the_precision_of_the_gramian(dtype: torch.dtype) -> None:
    gradients = random_gradients(3, 0).to(dtype)
    assert PCGrad(list("abc")).weights(gradients @ gradients.T).dtype == dtype
