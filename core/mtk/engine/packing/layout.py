"""Where each sequence lies in a packed one, and one pass over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import torch
from torch import Tensor, nn

from mtk.engine.task_gradients import TaskGradients


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

    @property
    def rows(self) -> list[int]:
        """Those that gradients are added to, in ascending order."""
        return sorted({row for row, _ in self.spans})

    def members(self, like: Tensor) -> Tensor:
        """Which of the tokens are of which of the `rows`, as ones and zeros [rows, tokens] of the type of `like`, and on its
        device."""
        members = like.new_zeros(len(self.rows), self.tokens)
        for row, span in self.spans:
            members[self.rows.index(row), span] = 1
        return members


class Pass:
    """One forward pass over a packed sequence; its backward pass adds to `rows`."""

    def __init__(self, layout: Layout, rows: TaskGradients, weights: Mapping[Tensor, Tensor]) -> None:
        self.layout = layout
        self.rows = rows
        self._weights = weights  # in the type that matrix products compute in, where they are there in it
        self._cast: tuple[Tensor, Tensor] | None = None
        self._members: Tensor | None = None

    def weight(self, parameter: nn.Parameter, dtype: torch.dtype) -> Tensor:
        """A parameter in the type that is computed in."""
        found = self._weights.get(parameter)
        return parameter.to(dtype) if found is None or found.dtype != dtype else found

    def members(self, like: Tensor) -> Tensor:
        """`Layout.members`, made once."""
        if self._members is None or self._members.dtype != like.dtype:
            self._members = self.layout.members(like)
        return self._members

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
