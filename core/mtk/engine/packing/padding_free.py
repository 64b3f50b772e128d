"""Packed sequences without padding.

A batch is a rectangle of positions, as wide as its longest sequence; where a sequence is shorter, nothing stands that a head
may heed. Here the encoder computes no such position. A rectangle is what a batch comes as and what a head is given; between,
every token has its place in the packed sequence, and attention alone has to know where a sequence ends.

On a CPU the host knows all lengths. A device is not asked for them: there the packed sequence has room for some more tokens
than it has to hold, a few sizes for all steps, and where each sequence and each task ends are numbers on the device. So one
recorded step serves batches of any lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

import torch
from torch import Tensor

from mtk.engine.attention import Places, attend_by_offsets
from mtk.engine.packing.layout import Block, Layout
from mtk.errors import UsageError

# Of a block: with less padding than that it keeps it. Set when to unfold tokens for attention and fold them again cost a
# CPU some thirtieth of what a layer costs, in more copies than today.
LITTLE = 1 / 32
SMALLEST = 64  # tokens, that the room for them is a multiple of
SPENT_AGAIN = (2, 3)  # so few gradients' rows take on a GPU what was spared; one has no rows, and of many each spares more


class _Spread(torch.autograd.Function):
    """Tokens to positions; what comes back from where there is no token has no say."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, token_at: Tensor, position_of: Tensor) -> Tensor:
        ctx.save_for_backward(position_of)
        return values.index_select(0, token_at)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (position_of,) = ctx.saved_tensors
        return dy.index_select(0, position_of), None, None


class PaddingFree(Layout):
    """On a CPU, where the host knows which positions hold tokens."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._of_blocks = [_places_of(block) for block in blocks]
        super().__init__(blocks)

    def _counted(self) -> list[int]:
        full = super()._counted()
        return [size if own is None else len(own.position_of) for size, own in zip(full, self._of_blocks, strict=True)]

    def packed(self, values: Sequence[Tensor]) -> Tensor:
        parts = zip((of_block.reshape(-1) for of_block in values), self._of_blocks, strict=True)
        return torch.cat([part if own is None else part[own.position_of] for part, own in parts]).unsqueeze(0)

    def _places(self, number: int) -> Places | None:
        return self._of_blocks[number]

    def _spread(self, number: int, values: Tensor) -> Tensor:
        own = self._of_blocks[number]
        found: Tensor = values if own is None else _Spread.apply(values, *own)
        return found


def _places_of(block: Block) -> Places | None:
    """None for a block that is packed as it is."""
    there = block.mask.flatten()
    position_of = there.nonzero().squeeze(1)
    if not 0 < len(position_of) <= (1 - LITTLE) * len(there):
        return None
    return Places((there.cumsum(0) - 1).clamp_min_(0), position_of)


class OnDevice(Layout):
    """Where only the device knows how long sequences are. The packed sequence has `room` for so many tokens, as `room_for`
    gives them: those of all blocks and, behind them, as one more sequence, positions without one, from which no gradient
    comes back.
    """

    def __init__(self, blocks: Sequence[Block], room: int) -> None:
        there = torch.cat([block.mask.flatten() for block in blocks])
        self.blocks, self.spans = blocks, None
        self.tokens = room = min(room, len(there))
        place = torch.where(there, there.cumsum(0), there.sum() + (~there).cumsum(0)) - 1  # of tokens first, then of others
        everywhere = torch.arange(len(there), device=there.device)
        self._position_of = torch.empty_like(place).scatter_(0, place, everywhere)[:room]
        self._token_at = place.clamp_max(room - 1)
        ends = torch.cat([block.mask.flatten(1).sum(dim=1) for block in blocks]).cumsum(0).int()
        self._ends = torch.cat([ends, torch.full_like(ends[:1], room)])  # of each sequence
        self._longest = max(_unit(room), *(block.length for block in blocks))
        sequences, lasts = 0, []
        self.groups = []
        for row, members in groupby(blocks, key=lambda block: block.row):
            sequences += sum(block.sequences for block in members)
            self.groups.append(row)
            lasts.append(ends[sequences - 1 : sequences])
        self.offsets = torch.cat(lasts)

    def row_of_token(self, device: torch.device) -> Tensor:
        group = torch.bucketize(torch.arange(self.tokens, device=device), self.offsets, right=True)
        rows = torch.cat([torch.full((1,), row, device=device) for row in self.groups])
        return rows[group.clamp_max(len(self.groups) - 1)]

    def packed(self, values: Sequence[Tensor]) -> Tensor:
        return torch.cat([of_block.reshape(-1) for of_block in values])[self._position_of].unsqueeze(0)

    def unpacked(self, states: Tensor) -> list[Tensor]:
        shapes = [(block.sequences, block.length) for block in self.blocks]
        whole: Tensor = _Spread.apply(states.squeeze(0), self._token_at, self._position_of)
        parts = whole.split([sequences * length for sequences, length in shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, shapes, strict=True)]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float, probability: float, window: int | None
    ) -> Tensor:
        return attend_by_offsets(query, key, value, self._ends, self._longest, scale, probability, window)


def room_for(tokens: int) -> int:
    """The tokens that a packed sequence of so many has room for: at most an eighth more, or `SMALLEST`, so that sequences of
    twice the length have eight sizes more."""
    unit = _unit(tokens)
    return -(-tokens // unit) * unit


def _unit(tokens: int) -> int:
    return max(SMALLEST, 1 << (tokens.bit_length() - 4) if tokens > SMALLEST else 0)


def choose_padding_free(
    setting: Literal["auto", "on", "off"],
    device: torch.device,
    autocast: torch.dtype | None,
    plain: str | None,
    gradients: int,
) -> bool:
    """Whether the encoder computes no padding: for `auto`, where that was measured to be faster, which on a GPU hangs on how
    many `gradients` a step keeps apart. `plain` is why the encoder has no packed form, if it has none. Raises UsageError for
    `on` where that cannot be."""
    if setting == "off":
        return False
    reason = _hindrance(device, autocast, plain)
    if setting == "auto":
        return reason is None and (device.type == "cpu" or gradients not in SPENT_AGAIN)
    if reason:
        raise UsageError(f"--padding-free on: {reason}. Or use --padding-free auto.")
    return True


def _hindrance(device: torch.device, autocast: torch.dtype | None, plain: str | None) -> str | None:
    if plain:
        return f"tasks pass this encoder one after the other, since {plain}"
    if device.type == "cuda" and autocast != torch.bfloat16:
        return "a device has the products of several tasks in one launch for bf16 alone; use --precision bf16"
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        return f"{torch.cuda.get_device_name(device)} has no kernel for the products of several tasks in one launch"
    if device.type not in ("cpu", "cuda"):
        return f"attention over sequences of any length has no kernel on {device.type}"
    return None
