"""Each packed function against torch's own: what flows on is the same, and each task has its own part of the gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtk.engine.packing import functions
from mtk.engine.packing.layout import Block, Layout, Pass
from mtk.engine.task_gradients import TaskGradients

SPANS = [(0, slice(0, 6)), (1, slice(6, 14)), (0, slice(14, 17)), (2, slice(17, 27))]  # the row 0 in two parts
TOKENS, ROWS, WIDTH = 27, 3, 4


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def a_pass(*parameters: nn.Parameter | None, table: nn.Parameter | None = None) -> Pass:
    members = [p for p in (*parameters, nn.Parameter(random(1))) if p is not None and p.requires_grad]
    gradients = TaskGradients({"layer": members}, ROWS, {table} if table is not None else set())
    blocks = [Block(row, 1, span.stop - span.start, torch.ones(1, 1, 1, 1, dtype=torch.bool)) for row, span in SPANS]
    return Pass(Layout(blocks), gradients, {})


def check(
    current: Pass,
    packed: Callable[[], Tensor],
    plain: Callable[[], Tensor],
    inputs: list[Tensor],
    weights: list[nn.Parameter],
) -> None:
    """Same values, same gradients of the inputs; and of each weight, by row, the gradient of that row's tokens."""
    dy = random(TOKENS, WIDTH, seed=9)
    y = packed()
    wanted = plain()
    torch.testing.assert_close(y, wanted)
    flows = torch.autograd.grad(wanted, inputs, dy, retain_graph=True) if inputs else ()
    y.backward(dy)
    torch.testing.assert_close([x.grad for x in inputs], list(flows))
    for weight in weights:
        assert weight.grad is None, "it is in the rows, and not in the parameter"
        for row in range(ROWS):
            of_row = torch.zeros_like(dy)
            for number, span in SPANS:
                if number == row:
                    of_row[span] = dy[span]
            (gradient,) = torch.autograd.grad(wanted, weight, of_row, retain_graph=True)
            torch.testing.assert_close(current.rows.of(weight, ROWS)[row], gradient)


@pytest.mark.parametrize("frozen", [None, "weight", "bias"])
@pytest.mark.parametrize("has_bias", [True, False])
def test_linear(has_bias: bool, frozen: str | None) -> None:
    x = random(TOKENS, 5, seed=1).requires_grad_()
    weight = nn.Parameter(random(WIDTH, 5, seed=2), requires_grad=frozen != "weight")
    bias = nn.Parameter(random(WIDTH, seed=3), requires_grad=frozen != "bias") if has_bias else None
    current = a_pass(weight, bias)
    trained = [p for p in (weight, bias) if p is not None and p.requires_grad]
    check(
        current,
        lambda: functions.Linear.apply(x, weight, bias, current),
        lambda: F.linear(x, weight, bias),
        [x],
        trained,
    )


@pytest.mark.parametrize("frozen", [None, "weight", "bias"])
@pytest.mark.parametrize("has_bias", [True, False])
def test_layer_norm(has_bias: bool, frozen: str | None) -> None:
    x = random(TOKENS, WIDTH, seed=1).requires_grad_()
    weight = nn.Parameter(random(WIDTH, seed=2), requires_grad=frozen != "weight")
    bias = nn.Parameter(random(WIDTH, seed=3), requires_grad=frozen != "bias") if has_bias else None
    current = a_pass(weight, bias)
    trained = [p for p in (weight, bias) if p is not None and p.requires_grad]
    check(
        current,
        lambda: functions.LayerNorm.apply(x, weight, bias, current, 1e-5),
        lambda: F.layer_norm(x, (WIDTH,), weight, bias, 1e-5),
        [x],
        trained,
    )


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("large", [False, True], ids=["small table", "large table"])
def test_embedding(large: bool, padding: int | None) -> None:
    weight = nn.Parameter(random(11, WIDTH, seed=2))
    ids = torch.randint(11, (TOKENS,), generator=torch.Generator().manual_seed(0))
    current = a_pass(weight, table=weight if large else None)
    check(
        current,
        lambda: functions.Embedding.apply(weight, ids, current, padding),
        lambda: F.embedding(ids, weight, padding),
        [],
        [weight],
    )


def test_in_bfloat16_the_rows_keep_the_precision_of_the_weights() -> None:
    x, weight = random(TOKENS, 5).bfloat16(), nn.Parameter(random(WIDTH, 5, seed=2).float())
    current = a_pass(weight)
    y = functions.Linear.apply(x.requires_grad_(), weight, None, current)
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    rows = current.rows.of(weight, ROWS)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.sum(dim=0), x.detach().float().sum(dim=0).expand(WIDTH, -1), rtol=0.02, atol=0.1)
