"""The packed form: the sequences of all tasks through the encoder at once, and still a gradient for each task.

The tokens of a task are a contiguous block of the packed sequence. Everything in an encoder but attention works on each
token by itself, so activations and their gradients are computed for all blocks together; only the last step to a weight's
gradient is taken block by block, as dW_t = dY_tᵀ X_t. It is the same arithmetic as a forward and a backward pass for each
task, in T times fewer and T times larger operations, and nothing is computed for a table's unused entries.

Attention looks at one sequence at a time; each block is unfolded to [sequences, length] for it.

Which encoders that is right for is not a list: `fits` tries it and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface

from mtk.attention import attend
from mtk.dropout import dropout
from mtk.rows import Rows

# An embedding table with more entries than this is kept by the entries that were looked up. A step looks up some thousands.
MANY_ENTRIES = 8_192


@dataclass(frozen=True)
class Block:
    """The sequences of one batch in the packed sequence."""

    row: int  # of the gradients, that its gradient is added to
    sequences: int
    length: int
    mask: Tensor  # [sequences, 1, 1, length], True at a token

    @property
    def tokens(self) -> int:
        return self.sequences * self.length


class Layout:
    """The blocks of a packed sequence."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.sizes = [block.tokens for block in blocks]
        self.tokens = sum(self.sizes)
        # neighbours of one row are one product
        rows = [(row, sum(b.tokens for b in members)) for row, members in groupby(blocks, key=lambda b: b.row)]
        ends = accumulate(size for _, size in rows)
        self.spans = [(row, slice(end - size, end)) for (row, size), end in zip(rows, ends, strict=True)]

    def row_of_token(self, device: torch.device) -> Tensor:
        """Which row each token's gradient is added to, [tokens]."""
        return torch.cat([torch.full((s.stop - s.start,), row, device=device) for row, s in self.spans])


class Pass:
    """One forward pass over a packed sequence; its backward pass adds to `rows`."""

    def __init__(self, layout: Layout, rows: Rows) -> None:
        self.layout = layout
        self.rows = rows
        self._cast: tuple[Tensor, Tensor] | None = None

    def as_computed(self, x: Tensor) -> Tensor:
        """`x` in the type that a matrix product computes in here. What goes into several products, such as query, key and
        value, is cast once."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        if x.dtype == dtype:
            return x
        if self._cast is None or self._cast[0] is not x:
            self._cast = x, x.to(dtype)
        return self._cast[1]

    def forget(self) -> None:
        """The forward pass is over: hold on to nothing of its graph, which itself holds on to this."""
        self._cast = None


_current: ContextVar[Pass] = ContextVar("pass")


class UnfitError(Exception):
    """The encoder does something with a packed sequence that has no packed form here."""


class Packing:
    """Runs an encoder's backbone in the packed form."""

    def __init__(self, backbone: nn.Module) -> None:
        self._backbone = backbone
        self._routed = [(module, _ROUTES[type(module)]) for module in backbone.modules() if type(module) in _ROUTES]
        positions = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
        padding = getattr(positions, "padding_idx", None)
        self._first_position = 0 if padding is None else padding + 1  # RoBERTa counts from after its padding's position
        self.tables: set[nn.Parameter] = {
            module.weight  # type: ignore[misc]
            for module, _ in self._routed
            if isinstance(module, nn.Embedding) and module.num_embeddings > MANY_ENTRIES
        }

    def __call__(self, inputs: Sequence[dict[str, Tensor]], rows: Rows, row_of: Sequence[int]) -> list[Tensor]:
        """The token states [sequences, length, width] of each batch, given what an encoder takes of each.

        A backward pass from them adds the gradient of batch i to row `row_of[i]` of `rows`, and leaves that of the
        parameters themselves alone. Raises UnfitError.
        """
        layout = Layout([_block(given, row) for given, row in zip(inputs, row_of, strict=True)])
        packed = {
            name: torch.cat([given[name].reshape(1, -1) for given in inputs], dim=1)
            for name in inputs[0]
            if name != "attention_mask"
        }
        device = packed["input_ids"].device
        counted = [torch.arange(b.length, device=device).expand(b.sequences, -1).reshape(1, -1) for b in layout.blocks]
        packed["position_ids"] = torch.cat(counted, dim=1) + self._first_position
        with self._in_place_of_forward(Pass(layout, rows)):
            states = self._backbone(**packed).last_hidden_state
        parts = states.squeeze(0).split(layout.sizes)
        return [part.unflatten(0, (b.sequences, b.length)) for part, b in zip(parts, layout.blocks, strict=True)]

    @contextmanager
    def _in_place_of_forward(self, current: Pass) -> Iterator[None]:
        config: Any = self._backbone.config
        attention, config._attn_implementation = config._attn_implementation, ATTENTION
        token = _current.set(current)
        try:
            for module, route in self._routed:
                module.__dict__["forward"] = route.__get__(module)
            yield
        finally:
            for module, _ in self._routed:
                module.__dict__.pop("forward", None)
            _current.reset(token)
            current.forget()
            config._attn_implementation = attention


def _block(given: dict[str, Tensor], row: int) -> Block:
    mask = given["attention_mask"]
    return Block(row, mask.shape[0], mask.shape[1], mask[:, None, None, :].bool())


def _tokens(values: Tensor, dimensions: int) -> Tensor:
    """Values by token, as [tokens, …]: the last `dimensions` belong to a token."""
    flat = values.reshape(-1, *values.shape[values.ndim - dimensions :])
    if len(flat) != _current.get().layout.tokens:
        raise UnfitError(f"{tuple(values.shape)} is not one value for each token")
    return flat


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: nn.Parameter, bias: nn.Parameter | None, current: Pass) -> Tensor:
        cast = weight.to(x.dtype)
        ctx.save_for_backward(x, cast)
        ctx.weight, ctx.bias, ctx.current = weight, bias, current
        return F.linear(x, cast, None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        layout, rows = ctx.current.layout, ctx.current.rows
        sizes = [span.stop - span.start for _, span in layout.spans]
        for (row, _), dy_t, x_t in zip(layout.spans, dy.split(sizes), x.split(sizes), strict=True):
            if ctx.weight.requires_grad:
                rows.add_product(ctx.weight, row, dy_t.t(), x_t)
            if ctx.bias is not None and ctx.bias.requires_grad:
                rows.add(ctx.bias, row, dy_t.sum(dim=0))
        return dy @ weight if ctx.needs_input_grad[0] else None, None, None, None


class _LayerNorm(torch.autograd.Function):
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


class _Embedding(torch.autograd.Function):
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


def _linear(self: nn.Linear, x: Tensor) -> Tensor:
    current = _current.get()
    y: Tensor = _Linear.apply(_tokens(current.as_computed(x), 1), self.weight, self.bias, current)
    return y.view(*x.shape[:-1], self.out_features)


def _layer_norm(self: nn.LayerNorm, x: Tensor) -> Tensor:
    if x.is_cuda:
        x = x.to(self.weight.dtype)  # as autocast does on CUDA; a CPU's kernel takes other types as they are
    y: Tensor = _LayerNorm.apply(_tokens(x, len(self.normalized_shape)), self.weight, self.bias, _current.get(), self.eps)
    return y.view(x.shape)


def _embedding(self: nn.Embedding, ids: Tensor) -> Tensor:
    if self.max_norm is not None or self.scale_grad_by_freq or self.sparse:
        raise UnfitError("an embedding table with more than a lookup")
    flat = _tokens(ids, 0)
    states: Tensor = _Embedding.apply(self.weight, flat, _current.get(), self.padding_idx)
    return states.view(*ids.shape, -1)


def _dropout(self: nn.Dropout, x: Tensor) -> Tensor:
    return dropout(x, self.p) if self.training else x


_ROUTES: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Dropout: _dropout,
    nn.Linear: _linear,
    nn.LayerNorm: _layer_norm,
    nn.Embedding: _embedding,
}


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,  # its probability
    sliding_window: int | None = None,
    **ignored: object,
) -> tuple[Tensor, None]:
    """Attention within each sequence: [1, heads, tokens, width of a head] -> [1, tokens, heads, width of a head]."""
    blocks, sizes = _current.get().layout.blocks, _current.get().layout.sizes
    if query.shape[2] != sum(sizes) or key.shape != query.shape:
        raise UnfitError("attention that is not of each token to the others of its sequence")
    attended = []
    by_block = zip(blocks, *(states.squeeze(0).transpose(0, 1).split(sizes) for states in (query, key, value)), strict=True)
    for block, *states in by_block:
        folded = [s.unflatten(0, (block.sequences, block.length)).transpose(1, 2) for s in states]
        mask = block.mask
        if sliding_window is not None and sliding_window <= block.length:
            places = torch.arange(block.length, device=query.device)
            mask = mask & ((places - places.unsqueeze(1)).abs() < sliding_window)
        q, k, v = folded
        found = attend(q, k, v, mask, q.shape[-1] ** -0.5 if scaling is None else scaling, dropout)
        attended.append(found.transpose(1, 2).flatten(0, 1))
    return torch.cat(attended).unsqueeze(0), None


ATTENTION = "mtk-packed"
# A name without a mask function of its own: transformers then makes no mask, and the blocks bring theirs.
AttentionInterface.register(ATTENTION, _attention)


def fits(backbone: nn.Module, names: Sequence[str]) -> bool:
    """Whether the packed form gives this backbone's gradients, as a small trial shows: two tasks' sequences, with padding,
    against `torch.autograd.grad` for each task by itself. `names` are those of the tensors that the tokenizer gives."""
    was_training, gradients = backbone.training, [(p, p.grad) for p in backbone.parameters()]
    backbone.eval()
    backbone.zero_grad()
    try:
        return _trial(backbone, names)
    except Exception:  # whatever keeps an encoder from it, it has the plain way
        return False
    finally:
        backbone.train(was_training)
        for parameter, gradient in gradients:
            parameter.grad = gradient


def _trial(backbone: nn.Module, names: Sequence[str]) -> bool:
    parameters = [p for p in backbone.parameters() if p.requires_grad]
    device, dtype = parameters[0].device, parameters[0].dtype
    packing = Packing(backbone)
    rows = Rows(parameters, 2, packing.tables)
    generator = torch.Generator().manual_seed(0)
    config: Any = backbone.config
    batches, targets = [], []
    for sequences, length in ((2, 7), (3, 5)):
        mask = torch.ones(sequences, length, dtype=torch.long)
        mask[0, length - 2 :] = 0
        batch = {name: torch.zeros_like(mask) for name in names}
        batch["input_ids"] = torch.randint(2, min(100, config.vocab_size), mask.shape, generator=generator)
        batch["attention_mask"] = mask
        batches.append({name: values.to(device) for name, values in batch.items()})
        target = torch.randn(sequences, length, config.hidden_size, generator=generator)
        targets.append((target * mask.unsqueeze(-1)).to(device, dtype))

    plain = []
    for batch, target in zip(batches, targets, strict=True):
        states = backbone(**batch).last_hidden_state
        found = torch.autograd.grad((states * target).sum(), parameters, allow_unused=True)
        plain.append([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)])

    rows.clear()
    states = packing(batches, rows, range(2))
    torch.autograd.backward([(s * target).sum() for s, target in zip(states, targets, strict=True)])
    if any(p.grad is not None for p in parameters):
        return False  # a parameter is used in a way that has no route
    # Some gradients, such as that of a key's bias, are zero but for rounding: what they may be off by is set by the others.
    rounding = 1e-6 * max(float(g.abs().max()) for by_task in plain for g in by_task)
    return all(
        torch.allclose(row, one, rtol=0, atol=1e-3 * float(one.abs().max()) + rounding)
        for p, by_task in zip(parameters, zip(*plain, strict=True), strict=True)
        for row, one in zip(rows.of(p, 2), by_task, strict=True)
    )
