"""Rows of gradients against plain tensors: however they come in, what is read of them and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from mtk.engine.task_gradients import TaskGradients

COUNT = 3
SHAPES = {"first": [(2, 5)], "second": [(4, 3), (3,)], "third": [(6,), (2, 2), (2,)]}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Filled:
    """Rows that were filled in, and the same as a plain matrix [COUNT, P]. The second parameter may be a table of which each
    task looked up some entries; the last one, `untouched`, got nothing from any task, and one got nothing from the last."""

    def __init__(self, *, table: bool, steps: int = 1) -> None:
        self.layers = {name: [nn.Parameter(random(*shape)) for shape in shapes] for name, shapes in SHAPES.items()}
        self.parameters = [p for members in self.layers.values() for p in members]
        self.untouched, self.table = self.parameters[-1], self.parameters[1]
        self.rows = TaskGradients(self.layers, COUNT, {self.table} if table else set())
        for step in range(steps):
            self.fill(step, table)

    def fill(self, step: int, table: bool) -> None:
        self.rows.clear()
        self.plain = torch.zeros(COUNT, sum(p.numel() for p in self.parameters), dtype=torch.float64)
        for row in range(COUNT):
            for number, (parameter, start) in enumerate(self._starts()):
                if parameter is self.untouched or (row == COUNT - 1 and parameter is self.parameters[0]):
                    continue
                gradient = random(*parameter.shape, seed=100 * step + 10 * row + number)
                if table and parameter is self.table:
                    ids = torch.tensor([row, 0, row])
                    looked_up = gradient[:3]
                    gradient = torch.zeros_like(parameter).index_add_(0, ids, looked_up)
                    self.rows.tables[parameter].add(ids, torch.full((3,), row), looked_up)
                else:
                    self.rows.add(parameter, row, gradient / 4)
                    self.rows.add(parameter, row, gradient * 3 / 4)
                self.plain[row, start : start + parameter.numel()] = gradient.flatten()

    def _starts(self) -> Iterator[tuple[nn.Parameter, int]]:
        start = 0
        for parameter in self.parameters:
            yield parameter, start
            start += parameter.numel()

    def of(self, parameter: nn.Parameter, values: Tensor) -> Tensor:
        """A parameter's part of something that is as long as all of them."""
        start = next(s for p, s in self._starts() if p is parameter)
        return values[..., start : start + parameter.numel()].unflatten(-1, parameter.shape)


@pytest.fixture(params=[False, True], ids=["dense", "with a table"])
def filled(request: pytest.FixtureRequest) -> Filled:
    return Filled(table=request.param, steps=2)  # what the step before left behind counts for nothing


def test_what_is_read_is_what_came_in(filled: Filled) -> None:
    torch.testing.assert_close(filled.rows.gradients(COUNT), filled.plain)
    torch.testing.assert_close(filled.rows.gramian(COUNT), filled.plain @ filled.plain.T)
    for parameter in filled.parameters:
        torch.testing.assert_close(filled.rows.of(parameter, COUNT), filled.of(parameter, filled.plain))


def test_gramians_are_those_of_the_layers_and_sum_to_the_whole(filled: Filled) -> None:
    by_layer = filled.rows.gramians(COUNT)
    assert filled.rows.layers == tuple(SHAPES)
    for number, members in enumerate(filled.layers.values()):
        part = torch.cat([filled.of(p, filled.plain).flatten(1) for p in members], dim=1)
        torch.testing.assert_close(by_layer[number], part @ part.T)
    torch.testing.assert_close(by_layer.sum(dim=0), filled.rows.gramian(COUNT))


@pytest.mark.parametrize("scope", ["encoder", "layer"])
def test_what_is_given_is_the_weighted_sum(filled: Filled, scope: str) -> None:
    weights = random(COUNT) if scope == "encoder" else random(len(SHAPES), COUNT)
    filled.rows.give_combined(weights)
    for of_layer, members in zip(weights.expand(len(SHAPES), -1), filled.layers.values(), strict=True):
        for parameter in members:
            if parameter is filled.untouched:
                assert parameter.grad is None
            else:
                torch.testing.assert_close(parameter.grad, filled.of(parameter, of_layer @ filled.plain))


def test_a_gradient_may_be_given_as_it_is(filled: Filled) -> None:
    gradient = random(filled.plain.shape[1])
    filled.rows.give(gradient)
    for parameter in filled.parameters:
        if parameter is filled.untouched:
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, filled.of(parameter, gradient))


def test_a_step_after_what_was_given_is_its_own(filled: Filled) -> None:
    table = bool(filled.rows.tables)
    for step in (5, 6):
        filled.rows.give_combined(random(COUNT))
        filled.rows.release()
        assert all(p.grad is None for p in filled.parameters)
        filled.fill(step, table)
        torch.testing.assert_close(filled.rows.gradients(COUNT), filled.plain)


def test_fewer_rows_than_there_is_room_for(filled: Filled) -> None:
    torch.testing.assert_close(filled.rows.gramian(2), (filled.plain @ filled.plain.T)[:2, :2])
    filled.rows.give_combined(random(2))
    parameter = filled.parameters[1]
    torch.testing.assert_close(parameter.grad, filled.of(parameter, random(2) @ filled.plain[:2]))


def test_taking_moves_what_autograd_left() -> None:
    filled = Filled(table=False)
    filled.rows.clear()
    given = {p: random(*p.shape, seed=7) for p in filled.parameters[:3]}
    for parameter, gradient in given.items():
        parameter.grad = gradient.clone()
    filled.rows.take(1)
    assert all(p.grad is None for p in filled.parameters)
    for parameter in filled.parameters:
        wanted = torch.zeros(COUNT, *parameter.shape, dtype=torch.float64)
        wanted[1] = given.get(parameter, torch.zeros(()))
        torch.testing.assert_close(filled.rows.of(parameter, COUNT), wanted)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_product_is_added_as_one(dtype: torch.dtype) -> None:
    filled = Filled(table=False)
    filled.rows.clear()
    matrix = filled.table
    left, right = random(4, 9).to(dtype), random(9, 3, seed=1).to(dtype)
    for _ in range(2):
        filled.rows.add_product(matrix, 0, left, right)
    torch.testing.assert_close(filled.rows.of(matrix, 1)[0], 2 * (left @ right).double())


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0]])
@pytest.mark.parametrize("times", [1, 2])
def test_sums_of_members_are_those_of_each_rows_tokens(order: list[int], times: int) -> None:
    bias = nn.Parameter(random(4))
    rows = TaskGradients({"layer": [bias]}, COUNT)
    values = random(7, 4, seed=1)
    members = torch.zeros(len(order), 7, dtype=torch.float64)
    for place, span in enumerate([slice(0, 2), slice(2, 3), slice(3, 7)][: len(order)]):
        members[place, span] = 1
    for _ in range(times):
        rows.add_sums(bias, order, members, values)
    for place, row in enumerate(order):
        torch.testing.assert_close(rows.of(bias, COUNT)[row], times * values[members[place].bool()].sum(dim=0))


@pytest.mark.cuda
@pytest.mark.parametrize("times", [1, 2])
def test_on_cuda_products_of_halves_are_added_up_in_single_precision(times: int) -> None:
    weight, bias = (nn.Parameter(random(*shape).float().cuda()) for shape in ((96, 64), (96,)))
    rows = TaskGradients({"layer": [weight, bias]}, COUNT)
    dy, x = (random(300, width, seed=width).cuda().bfloat16() for width in (96, 64))
    members = torch.zeros(COUNT, 300, dtype=torch.bfloat16, device="cuda")
    for row, span in enumerate(spans := [slice(0, 100), slice(100, 130), slice(130, 300)]):
        members[row, span] = 1
    for _ in range(times):
        rows.add_sums(bias, range(COUNT), members, dy)
        for row, span in enumerate(spans):
            rows.add_product(weight, row, dy[span].t(), x[span])
    for row, span in enumerate(spans):
        exact = dy[span].double()
        torch.testing.assert_close(
            rows.of(weight, COUNT)[row].double(), times * exact.t() @ x[span].double(), rtol=1e-5, atol=1e-4
        )
        torch.testing.assert_close(rows.of(bias, COUNT)[row].double(), times * exact.sum(dim=0), rtol=1e-5, atol=1e-4)
