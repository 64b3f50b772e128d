"""The gradients of a table against dense ones, made of the same lookups."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from together import together
from torch import Tensor, nn

from mtk.engine.embedding_gradients import EmbeddingGradients, is_more_than_whole
from mtk.engine.processes import Processes

ENTRIES, WIDTH, COUNT = 12, 3, 3

lookups = st.lists(st.tuples(st.integers(0, ENTRIES - 1), st.integers(0, COUNT - 1)), min_size=1, max_size=30)


def table() -> nn.Parameter:
    return nn.Parameter(torch.zeros(ENTRIES, WIDTH, dtype=torch.float64))


def looked_up(gradients: EmbeddingGradients, found: list[tuple[int, int]], seed: int = 0) -> Tensor:
    """Add them, half and half, and give the dense rows [COUNT, ENTRIES, WIDTH]."""
    values = torch.randn(len(found), WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    dense = torch.zeros(COUNT, ENTRIES, WIDTH, dtype=torch.float64)
    for (entry, row), value in zip(found, values, strict=True):
        dense[row, entry] += value
    ids, rows = torch.tensor(found).T.contiguous()
    middle = len(found) // 2
    for part in (slice(0, middle), slice(middle, None)):
        gradients.add(ids[part], rows[part], values[part])
    return dense


@given(found=lookups)
def test_it_is_what_a_dense_table_would_have(found: list[tuple[int, int]]) -> None:
    parameter = table()
    gradients = EmbeddingGradients(parameter)
    dense = looked_up(gradients, found)
    torch.testing.assert_close(gradients.full(COUNT), dense)
    torch.testing.assert_close(gradients.gramian(COUNT), dense.flatten(1) @ dense.flatten(1).T)
    weights = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    gradients.give(weights)
    torch.testing.assert_close(parameter.grad, torch.tensordot(weights, dense, dims=1))


@given(first=lookups, second=lookups)
def test_nothing_of_a_step_is_left_in_the_next(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    parameter = table()
    gradients = EmbeddingGradients(parameter)
    weights = torch.ones(COUNT, dtype=torch.float64)
    for step, found in enumerate((first, second)):
        gradients.clear()
        dense = looked_up(gradients, found, seed=step)
        gradients.give(weights)
        torch.testing.assert_close(parameter.grad, dense.sum(dim=0))
        gradients.release()
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_it_is_the_same_each_time_to_the_last_bit() -> None:
    found = [(i % 5, i % COUNT) for i in range(200)]
    results = []
    for _ in range(3):
        gradients = EmbeddingGradients(table())
        looked_up(gradients, found)
        results.append(gradients.gramian(COUNT))
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("rows", [[0], [2]])
def test_a_task_that_looked_up_nothing_has_zeros(rows: list[int]) -> None:
    gradients = EmbeddingGradients(table())
    looked_up(gradients, [(4, row) for row in rows])
    other = [row for row in range(COUNT) if row not in rows]
    assert not gradients.full(COUNT)[other].any()
    assert not gradients.gramian(COUNT)[other].any()


@pytest.mark.parametrize("is_whole", [False, True], ids=["touched rows", "whole tables"])
def test_two_processes_have_the_rows_of_both(is_whole: bool) -> None:
    """Few lookups are sent as such; many, and those of a process that has none, as whole tables."""
    length = 30 if is_whole else 3
    found = [[(7 * i % ENTRIES, i % COUNT) for i in range(length)], [] if is_whole else [(1, 0), (2, 2)]]
    weights = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)

    def exchanged(processes: Processes) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        parameter = table()
        gradients = EmbeddingGradients(parameter)
        own = found[processes.rank]
        dense = looked_up(gradients, own, processes.rank) if own else torch.zeros(COUNT, ENTRIES, WIDTH, dtype=torch.float64)
        assert is_more_than_whole(length, 2, COUNT, parameter) == is_whole
        gradients.exchange(processes, length, COUNT)
        products, whole = gradients.gramian(COUNT), gradients.full(COUNT)
        gradients.give(weights)
        return dense, products, whole, parameter.grad

    made = together(2, exchanged)
    dense = made[0][0] + made[1][0]
    for _, products, whole, gradient in made:
        torch.testing.assert_close(whole, dense)
        torch.testing.assert_close(products, dense.flatten(1) @ dense.flatten(1).T)
        torch.testing.assert_close(gradient, torch.tensordot(weights, dense, dims=1))
