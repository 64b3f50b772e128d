"""Which module of an encoder is computed by which packed function, and attention within each sequence.

For the time of one forward pass a module of a known type has another `forward`; transformers' own code between the modules
runs as it is. Attention looks at one sequence at a time; each block is unfolded to [sequences, length] for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from mtk.engine.dropout import dropout
from mtk.engine.packing import functions
from mtk.engine.packing.layout import Block, Layout, Pass
from mtk.engine.packing.padding_free import OnDevice, PaddingFree
from mtk.engine.task_gradients import TaskGradients
from mtk.model.encoder import Layers, layer_states

# An embedding table with more entries than this is kept by the entries that were looked up. A step looks up some thousands.
MANY_ENTRIES = 8_192
ALIGNED = 128  # entries, at a multiple of which each weight begins, so that a product can read it at full speed


_current: ContextVar[Pass] = ContextVar("pass")
_again: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar("again", default=nullcontext)


def forward_and_again() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The contexts in which a part of a forward pass runs, and later once more: that of the packed pass it belongs to, if it
    belongs to one. The later one may be in another thread, that of a device's backward pass."""
    return nullcontext(), _again.get()()


class UnfitError(Exception):
    """The encoder does something with a packed sequence that has no packed form here."""


class Packing:
    """Runs an encoder's backbone in the packed form; `all_layers` for the states of all of its layers."""

    def __init__(self, backbone: nn.Module, *, all_layers: bool = False, padding_free: bool = False) -> None:
        self._backbone = backbone
        self._padding_free = padding_free
        self._weights: dict[Tensor, Tensor] | None = None  # in the type of matrix products, where several passes share them
        self._all_layers = all_layers
        self._routed = [(module, _ROUTES[type(module)]) for module in backbone.modules() if type(module) in _ROUTES]
        positions = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
        padding = getattr(positions, "padding_idx", None)
        self._first_position = 0 if padding is None else padding + 1  # RoBERTa counts from after its padding's position
        self.tables: set[nn.Parameter] = {
            module.weight  # type: ignore[misc]
            for module, _ in self._routed
            if isinstance(module, nn.Embedding) and module.num_embeddings > MANY_ENTRIES
        }

    def __call__(
        self, inputs: Sequence[dict[str, Tensor]], rows: TaskGradients, row_of: Sequence[int], room: int | None = None
    ) -> list[Layers]:
        """The states [sequences, length, width] that the layers give of each batch, or the last one's alone, given what an
        encoder takes of each. With `room` for so many tokens, nothing is asked of the device.

        A backward pass from them adds the gradient of batch i to row `row_of[i]` of `rows`, and leaves that of the
        parameters themselves alone. Raises UnfitError.
        """
        blocks = [_block(given, row) for given, row in zip(inputs, row_of, strict=True)]
        if not self._padding_free:
            layout = Layout(blocks)
        else:
            layout = PaddingFree(blocks) if room is None else OnDevice(blocks, room)
        packed = {name: layout.packed([given[name] for given in inputs]) for name in inputs[0] if name != "attention_mask"}
        device = packed["input_ids"].device
        counted = [torch.arange(block.length, device=device).expand(block.sequences, -1) for block in blocks]
        packed["position_ids"] = layout.packed(counted) + self._first_position
        weights = {} if self._weights is None else self._weights
        if not weights:
            weights.update(self._cast(device))
        with self._routes(Pass(layout, rows, weights)):
            layers = layer_states(self._backbone, packed, all_layers=self._all_layers)
        return list(zip(*(layout.unpacked(states) for states in layers), strict=True))

    @contextmanager
    def one_update(self) -> Iterator[None]:
        """All passes in here are of the same weights: each is cast once to the type that matrix products compute in."""
        self._weights = {}
        try:
            yield
        finally:
            self._weights = None

    def _cast(self, device: torch.device) -> dict[Tensor, Tensor]:
        """On a GPU the weights of all matrix products in the type that these compute in, if it is not their own: at once, as
        to launch a cast for each of them takes longer."""
        if device.type != "cuda" or not torch.is_autocast_enabled("cuda"):
            return {}
        linear = (module for module, _ in self._routed if isinstance(module, nn.Linear))
        weights: list[Tensor] = list(dict.fromkeys(p for module in linear for p in module.parameters(recurse=False)))
        sizes = [-(-weight.numel() // ALIGNED) * ALIGNED for weight in weights]
        whole = torch.empty(sum(sizes), dtype=torch.get_autocast_dtype("cuda"), device=device)
        parts = [p[: w.numel()].view_as(w) for p, w in zip(whole.split(sizes), weights, strict=True)]
        with torch.no_grad():
            torch._foreach_copy_(parts, weights)
        return dict(zip(weights, parts, strict=True))

    @contextmanager
    def _routes(self, current: Pass) -> Iterator[None]:
        """What a module computes in here is computed in the packed form."""
        config: Any = self._backbone.config
        attention, config._attn_implementation = config._attn_implementation, ATTENTION
        token = _current.set(current)
        again = _again.set(lambda: self._routes(current))
        try:
            for module, route in self._routed:
                module.__dict__["forward"] = route.__get__(module)
            yield
        finally:
            for module, _ in self._routed:
                module.__dict__.pop("forward", None)
            _again.reset(again)
            _current.reset(token)
            current.forget()
            config._attn_implementation = attention


def _block(given: dict[str, Tensor], row: int) -> Block:
    mask = given["attention_mask"]
    return Block(row, mask.shape[0], mask.shape[1], mask[:, None, None, :].bool())


def routed_parameters(module: nn.Module, rows: TaskGradients, row: int) -> dict[str, Tensor]:
    """The trained parameters of a module that is run for one task by itself, such as a pooling: what is computed with these
    in place of its own adds its gradient to the task's row. A frozen one is not among them."""
    trained = ((name, p) for name, p in module.named_parameters() if p.requires_grad)
    return {name: functions.Parameter.apply(p, rows, row) for name, p in trained}


def _tokens(values: Tensor, dimensions: int) -> Tensor:
    """Values by token, as [tokens, …]: the last `dimensions` belong to a token."""
    flat = values.reshape(-1, *values.shape[values.ndim - dimensions :])
    if len(flat) != _current.get().layout.tokens:
        raise UnfitError(f"{tuple(values.shape)} is not one value for each token")
    return flat


def _linear(self: nn.Linear, x: Tensor) -> Tensor:
    current = _current.get()
    y: Tensor = functions.Linear.apply(_tokens(current.as_computed(x), 1), self.weight, self.bias, current)
    return y.view(*x.shape[:-1], self.out_features)


def _layer_norm(self: nn.LayerNorm, x: Tensor) -> Tensor:
    if x.device.type != "cpu":
        x = x.to(self.weight.dtype)  # as autocast does on a device; a CPU's kernel takes other types as they are
    y: Tensor = functions.LayerNorm.apply(
        _tokens(x, len(self.normalized_shape)), self.weight, self.bias, _current.get(), self.eps
    )
    return y.view(x.shape)


def _embedding(self: nn.Embedding, ids: Tensor) -> Tensor:
    if self.max_norm is not None or self.scale_grad_by_freq or self.sparse:
        raise UnfitError("an embedding table with more than a lookup")
    flat = _tokens(ids, 0)
    states: Tensor = functions.Embedding.apply(self.weight, flat, _current.get(), self.padding_idx)
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
    layout = _current.get().layout
    if query.shape[2] != layout.tokens or key.shape != query.shape:
        raise UnfitError("attention that is not of each token to the others of its sequence")
    q, k, v = (states.squeeze(0).transpose(0, 1) for states in (query, key, value))
    scale = q.shape[-1] ** -0.5 if scaling is None else scaling
    return layout.attend(q, k, v, scale, dropout, sliding_window).unsqueeze(0), None


ATTENTION = "mtk-packed"
# A name without a mask function of its own: transformers then makes no mask, and the blocks bring theirs.
AttentionInterface.register(ATTENTION, _attention)
