"""The three operations of an encoder that have weights, over all tasks' tokens at once, with each task's gradient by itself.

The gradient of a weight is a sum over tokens, and the tokens of task t are a span of the packed sequence: of Y = X·Wᵀ it is

    dW_t = dY_tᵀ · X_t

with dY_t and X_t those rows of dY and X, and dW is the sum of all dW_t. Everything else in a backward pass works on a token
by itself. So a function here computes what flows on (dX = dY·W) for all tasks in one product, and adds dW_t to row t of the
`TaskGradients` instead of giving autograd a sum that could not be taken apart.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtk.engine.packing.layout import Pass
from mtk.engine.task_gradients import TaskGradients

ALIGNED = 8  # that the sides of a weight are a multiple of, for the kernel that makes several products in one launch


class Linear(torch.autograd.Function):
    """y = x·Wᵀ + b over all tokens; dx = dy·W, and for task t alone dW_t = dy_tᵀ·x_t and db_t = Σ dy_t over its tokens."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: nn.Parameter, bias: nn.Parameter | None, current: Pass) -> Tensor:
        cast = current.weight(weight, x.dtype)
        ctx.save_for_backward(x, cast)
        ctx.weight, ctx.bias, ctx.current = weight, bias, current
        return F.linear(x, cast, None if bias is None else current.weight(bias, x.dtype))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        if ctx.weight.requires_grad:
            _add_products(ctx.current, ctx.weight, dy, x)
        if ctx.bias is not None and ctx.bias.requires_grad:
            _add_sums(ctx.current, ctx.bias, dy)
        return dy @ weight if ctx.needs_input_grad[0] else None, None, None, None


class Parameter(torch.autograd.Function):
    """A parameter as one task uses it, wherever that may be: its gradient goes to the task's row."""

    @staticmethod
    def forward(ctx: Any, parameter: nn.Parameter, rows: TaskGradients, row: int) -> Tensor:
        ctx.parameter, ctx.rows, ctx.row = parameter, rows, row
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        ctx.rows.add(ctx.parameter, ctx.row, gradient)
        return None, None, None


class LayerNorm(torch.autograd.Function):
    """torch's own forward pass, and its backward pass for the input once and for weight and bias span by span."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: nn.Parameter, bias: nn.Parameter | None, current: Pass, eps: float) -> Tensor:
        y, mean, scale = torch.native_layer_norm(x, weight.shape, weight, bias, eps)
        ctx.save_for_backward(x, mean, scale)
        ctx.weight, ctx.bias, ctx.current = weight, bias, current
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, mean, scale = ctx.saved_tensors
        weight, bias, rows = ctx.weight, ctx.bias, ctx.current.rows

        def gradients(span: slice, *wanted: bool) -> tuple[Tensor, Tensor, Tensor]:
            given = dy[span].contiguous(), x[span], weight.shape, mean[span], scale[span], weight, bias
            found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_layer_norm_backward(*given, wanted)
            return found

        trained = [p is not None and p.requires_grad for p in (weight, bias)]
        spans = ctx.current.layout.spans
        alone = spans is not None and len(spans) == 1
        whole = gradients(slice(None), True, *(trained if alone else (False, False)))
        if spans is None:
            if trained[0]:
                _add_sums(ctx.current, weight, dy * ((x - mean) * scale))
            if trained[1]:
                _add_sums(ctx.current, bias, dy)
        for row, span in spans or ():
            of_span = whole if alone else gradients(span, False, *trained)
            for parameter, found in zip((weight, bias), of_span[1:], strict=True):
                if parameter is not None and parameter.requires_grad:
                    rows.add(parameter, row, found)
        return whole[0], None, None, None, None


class Embedding(torch.autograd.Function):
    """A lookup. A small table's gradient is dense, task by task; what came back from a large one is kept by its ids."""

    @staticmethod
    def forward(ctx: Any, weight: nn.Parameter, ids: Tensor, current: Pass, padding: int | None) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.weight, ctx.current, ctx.padding = weight, current, padding
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (ids,) = ctx.saved_tensors
        weight, layout, rows = ctx.weight, ctx.current.layout, ctx.current.rows
        if ctx.padding is not None:
            dy = dy.masked_fill((ids == ctx.padding).unsqueeze(1), 0)
        if weight in rows.tables:
            rows.tables[weight].add(ids, layout.row_of_token(ids.device), dy)
        elif layout.spans is None:
            row_of_token, entries = layout.row_of_token(ids.device), len(weight)
            found = dy.new_zeros(len(rows.matrix) * entries, dy.shape[1]).index_add_(0, row_of_token * entries + ids, dy)
            for row in layout.rows:
                rows.add(weight, row, found[row * entries : (row + 1) * entries])
        else:
            for row, span in layout.spans:
                found = torch.ops.aten.embedding_dense_backward(dy[span], ids[span], len(weight), -1, False)
                rows.add(weight, row, found)
        return None, None, None, None


def _add_products(current: Pass, parameter: nn.Parameter, dy: Tensor, x: Tensor) -> None:
    """dW_t = dy_tᵀ·x_t for every task."""
    layout, rows = current.layout, current.rows
    if layout.spans is not None:
        sizes = [span.stop - span.start for _, span in layout.spans]
        for (row, _), dy_t, x_t in zip(layout.spans, dy.split(sizes), x.split(sizes), strict=True):
            rows.add_product(parameter, row, dy_t.t(), x_t)
    elif len(layout.groups) == 1:
        rows.add_product(parameter, layout.groups[0], dy.t(), x)
    elif dy.shape[1] % ALIGNED or x.shape[1] % ALIGNED:
        for row, member in zip(layout.rows, current.members(dy), strict=True):
            rows.add_product(parameter, row, (dy * member.unsqueeze(1)).t(), x)
    else:
        found = F.grouped_mm(dy.contiguous().t(), x.contiguous(), offs=layout.offsets)
        rows.add_all(parameter, layout.groups, found)


def _add_sums(current: Pass, parameter: nn.Parameter, values: Tensor) -> None:
    """The sum of the values over each task's tokens."""
    layout, rows = current.layout, current.rows
    if layout.spans is None or values.device.type == "cuda":
        # where a sum down a long column is slow, and one product gives those of all tasks
        rows.add_sums(parameter, layout.rows, current.members(values), values)
        return
    for row, span in layout.spans:
        rows.add(parameter, row, values[span].sum(dim=0))
