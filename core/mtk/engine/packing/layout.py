"""Where each sequence lies in a packed one, and one pass over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import itemgetter

import torch
from torch import Tensor, nn

from mtk.engine.attention import Places, Unfolding, attend
from mtk.engine.task_gradients import TaskGradients


@dataclass(frozen=True)
class Block:
    """The sequences of one batch in the packed sequence."""

    row: int  # of the gradients, that its gradient is added to
    sequences: int
    length: int
    mask: Tensor  # [sequences, 1, 1, length], True at a token


class Layout:
    """The blocks of a packed sequence: all positions of each, padding included."""

    spans: list[tuple[int, slice]] | None
    """Which tokens' gradients are added to which row; None where only the device knows."""
    groups: list[int]
    offsets: Tensor
    """There, the rows of neighbouring tokens, and the token [groups] before which each group's end."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.sizes = self._counted()
        self._unfoldings: dict[tuple[int | None, int, torch.dtype], list[Unfolding]] = {}  # by window, heads and type
        self.tokens = sum(self.sizes)
        # neighbours of one row are one product
        of_blocks = zip((block.row for block in blocks), self.sizes, strict=True)
        rows = [(row, sum(size for _, size in members)) for row, members in groupby(of_blocks, key=itemgetter(0))]
        ends = accumulate(size for _, size in rows)
        self.spans = [(row, slice(end - size, end)) for (row, size), end in zip(rows, ends, strict=True)]

    def _counted(self) -> list[int]:
        """The tokens that each block has in the packed sequence."""
        return [block.sequences * block.length for block in self.blocks]

    def row_of_token(self, device: torch.device) -> Tensor:
        """Which row each token's gradient is added to, [tokens]."""
        assert self.spans is not None
        return torch.cat([torch.full((s.stop - s.start,), row, device=device) for row, s in self.spans])

    @property
    def rows(self) -> list[int]:
        """Those that gradients are added to, in ascending order."""
        return sorted({block.row for block in self.blocks})

    def members(self, like: Tensor) -> Tensor:
        """Which of the tokens are of which of the `rows`, as ones and zeros [rows, tokens] of the type of `like`, and on its
        device."""
        row_of_token = self.row_of_token(like.device)
        return torch.stack([row_of_token == row for row in self.rows]).to(like.dtype)

    def packed(self, values: Sequence[Tensor]) -> Tensor:
        """The values of each block [sequences, length] as those of the packed sequence [1, tokens]."""
        return torch.cat([of_block.reshape(-1) for of_block in values]).unsqueeze(0)

    def unpacked(self, states: Tensor) -> list[Tensor]:
        """The states of each block [sequences, length, width], of those of the packed sequence [1, tokens, width]. What
        stands where a sequence has no token is anything."""
        parts = enumerate(zip(self.blocks, states.squeeze(0).split(self.sizes), strict=True))
        return [self._spread(number, part).unflatten(0, (b.sequences, b.length)) for number, (b, part) in parts]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float, probability: float, window: int | None
    ) -> Tensor:
        """Attention within each sequence, [tokens, heads, width of a head] as all that it is given: block by block, each
        unfolded to [sequences, length]. With a `window`, only tokens less than that apart see one another."""
        kept = window, query.shape[1], query.dtype
        if kept not in self._unfoldings:
            self._unfoldings[kept] = [self._unfolding(number, window) for number in range(len(self.blocks))]
        return attend(query, key, value, self._unfoldings[kept], scale, probability)

    def _unfolding(self, number: int, window: int | None) -> Unfolding:
        mask, length = self.blocks[number].mask, self.blocks[number].length
        if window is not None and window <= length:
            places = torch.arange(length, device=mask.device)
            mask = mask & ((places - places.unsqueeze(1)).abs() < window)
        return Unfolding(mask, self._places(number))

    def _places(self, number: int) -> Places | None:
        """Where the tokens of a block are, unless there is one at each position."""
        return None

    def _spread(self, number: int, values: Tensor) -> Tensor:
        """What the tokens of a block have, in all its positions [sequences * length, …]."""
        return values


class Pass:
    """One forward pass over a packed sequence; its backward pass adds to `rows`. `weights` are those that are there in the
    type that matrix products compute in, and more of them with every product."""

    def __init__(self, layout: Layout, rows: TaskGradients, weights: dict[Tensor, Tensor]) -> None:
        self.layout = layout
        self.rows = rows
        self._weights = weights
        self._cast: tuple[Tensor, Tensor] | None = None
        self._members: dict[torch.dtype, Tensor] = {}

    def weight(self, parameter: nn.Parameter, dtype: torch.dtype) -> Tensor:
        """A parameter in the type that is computed in."""
        if parameter.dtype == dtype:
            return parameter
        found = self._weights.get(parameter)
        if found is None or found.dtype != dtype:
            found = self._weights[parameter] = parameter.detach().to(dtype)
        return found

    def members(self, like: Tensor) -> Tensor:
        """`Layout.members`, made once for each type."""
        if like.dtype not in self._members:
            self._members[like.dtype] = self.layout.members(like)
        return self._members[like.dtype]

    def as_computed(self, x: Tensor) -> Tensor:
        """`x` in the type that a matrix product computes in here. What goes into several products, such as query, key and
        value, is cast once."""
        kind = x.device.type
        autocast = kind != "meta" and torch.is_autocast_enabled(kind)  # which knows no precision for it
        dtype = torch.get_autocast_dtype(kind) if autocast else x.dtype
        if x.dtype == dtype:
            return x
        if self._cast is None or self._cast[0] is not x:
            self._cast = x, x.to(dtype)
        return self._cast[1]

    def forget(self) -> None:
        """The forward pass is over: hold on to nothing of its graph, which itself holds on to this."""
        self._cast, self._weights = None, {}
