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
        layout, rows = ctx.current.layout, ctx.current.rows
        sizes = [span.stop - span.start for _, span in layout.spans]
        for (row, _), dy_t, x_t in zip(layout.spans, dy.split(sizes), x.split(sizes), strict=True):
            if ctx.weight.requires_grad:
                rows.add_product(ctx.weight, row, dy_t.t(), x_t)
        if ctx.bias is not None and ctx.bias.requires_grad:
            if dy.device.type == "cuda":  # where a sum down a long column is slow, and one product gives those of all tasks
                rows.add_sums(ctx.bias, layout.rows, ctx.current.members(dy), dy)
            else:
                for (row, _), dy_t in zip(layout.spans, dy.split(sizes), strict=True):
                    rows.add(ctx.bias, row, dy_t.sum(dim=0))
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
        for row, span in ctx.current.layout.spans:
            for parameter, found in zip((weight, bias), gradients(span, False, *trained)[1:], strict=True):
                if parameter is not None and parameter.requires_grad:
                    rows.add(parameter, row, found)
        return gradients(slice(None), True, False, False)[0], None, None, None, None


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
        else:
            for row, span in layout.spans:
                found = torch.ops.aten.embedding_dense_backward(dy[span], ids[span], len(weight), -1, False)
                rows.add(weight, row, found)
        return None, None, None, None
