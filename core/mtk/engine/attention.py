"""Attention of every token to those of its own sequence.

Softmax of the scaled products of queries and keys, with dropout on it, times the values. Sequences lie end to end, [tokens,
heads, width of a head]. A GPU has kernels for that; elsewhere some of them are unfolded to a rectangle at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mtk.engine.dropout import factors


class Places(NamedTuple):
    """Where tokens are among more positions than there are of them."""

    token_at: Tensor
    """Who is at each position; anyone, where nobody is."""
    position_of: Tensor


class Unfolding:
    """How the tokens of some sequences lie in a rectangle [sequences, length] of positions: at their `places`, or one at
    each. `mask` [sequences, 1, 1 or length, length] is True where a token may be seen. What follows from that is kept, for
    states of one type and number of heads."""

    def __init__(self, mask: Tensor, places: Places | None = None) -> None:
        self.sequences, self.length = len(mask), mask.shape[-1]
        self.tokens = self.sequences * self.length if places is None else len(places.position_of)
        self.mask = mask
        self._places = places
        self._of_heads: Places | None = None
        self._bias: Tensor | None = None
        self._there: Tensor | None = None

    def bias(self, like: Tensor) -> Tensor:
        """What is added to the products of queries and keys [sequences * heads, length, length]."""
        heads = like.shape[1]
        if self._bias is None:
            # not -inf: padding far from its sequence may see nothing at all, and its own share must stay a number
            bias = torch.zeros(self.mask.shape, dtype=like.dtype).masked_fill_(~self.mask, torch.finfo(like.dtype).min)
            self._bias = bias.expand(-1, heads, -1, self.length).flatten(0, 1).expand(-1, self.length, -1)
        return self._bias

    def unfolded(self, x: Tensor, *, gradient: bool = False) -> Tensor:
        """[tokens, heads, width] -> [sequences * heads, length, width]; of a `gradient` nothing where there is no token."""
        heads, width = x.shape[1:]
        if self._places is None:
            whole: Tensor = x.unflatten(0, (self.sequences, self.length)).transpose(1, 2).flatten(0, 1)
            return whole
        places = self._by_head(heads)
        found = x.reshape(-1, width).index_select(0, places.token_at).view(-1, self.length, width)
        if gradient:
            if self._there is None:
                there = torch.zeros(self.sequences * self.length, dtype=x.dtype).index_fill_(0, self._places.position_of, 1)
                self._there = there.view(self.sequences, 1, self.length, 1)
            found.view(self.sequences, heads, self.length, width).mul_(self._there)
        return found

    def fold(self, x: Tensor, out: Tensor) -> None:
        """The other way round."""
        heads, width = out.shape[1:]
        if self._places is None:
            out.unflatten(0, (self.sequences, self.length)).copy_(x.unflatten(0, (-1, heads)).transpose(1, 2))
        else:
            torch.index_select(x.view(-1, width), 0, self._by_head(heads).position_of, out=out.view(-1, width))

    def _by_head(self, heads: int) -> Places:
        """The places of each head's part of a token."""
        if self._of_heads is None:
            assert self._places is not None
            head = torch.arange(heads).unsqueeze(1)
            token_at = self._places.token_at.view(self.sequences, 1, self.length) * heads + head
            sequence, place = self._places.position_of // self.length, self._places.position_of % self.length
            position_of = (sequence * heads + head) * self.length + place
            self._of_heads = Places(token_at.flatten(), position_of.T.flatten())
        return self._of_heads


def _by_block(blocks: Sequence[Unfolding], *states: Tensor) -> Iterator[Any]:
    """Each block, with its tokens' part of each of the states."""
    sizes = [block.tokens for block in blocks]
    return zip(blocks, *(x.split(sizes) for x in states), strict=True)


class _OnCPU(torch.autograd.Function):
    """With dropout, torch has no fused kernel on a CPU; what it does instead was 1.6 to 2.7 times as long as this. As one
    function states are copied once on their way into each rectangle and once on their way back."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[Unfolding], scale: float, probability: float
    ) -> Tensor:
        attended = query.new_empty(query.shape)
        saved: list[Tensor | None] = []
        for block, *states, out in _by_block(blocks, query, key, value, attended):
            q, k, v = (block.unfolded(x) for x in states)
            scores = torch.baddbmm(block.bias(states[0]), q, k.transpose(1, 2), alpha=scale)
            shares = torch.softmax(scores, dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32))
            kept = factors(shares, probability)
            given = (shares if kept is None else shares * kept).to(v.dtype)
            block.fold(torch.bmm(given, v), out)
            saved += [q, k, v, shares, kept, given]
        ctx.save_for_backward(*saved)
        ctx.blocks, ctx.scale = blocks, scale
        return attended

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        found = [dy.new_empty(dy.shape) for _ in range(3)]
        saved = iter(ctx.saved_tensors)
        for block, of_block, dq, dk, dv in _by_block(ctx.blocks, dy, *found):
            q, k, v, shares, kept, given = (next(saved) for _ in range(6))
            back = block.unfolded(of_block, gradient=True)
            block.fold(torch.bmm(given.transpose(1, 2), back), dv)
            of_shares = torch.bmm(back, v.transpose(1, 2)).to(shares.dtype)
            if kept is not None:
                of_shares.mul_(kept)
            of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype).to(q.dtype)
            block.fold(torch.bmm(of_scores, k).mul_(ctx.scale), dq)
            block.fold(torch.bmm(of_scores.transpose(1, 2), q).mul_(ctx.scale), dk)
        return *found, None, None, None


def attend(
    query: Tensor, key: Tensor, value: Tensor, blocks: Sequence[Unfolding], scale: float, probability: float
) -> Tensor:
    """Within each sequence of the blocks, which lie end to end: [tokens, heads, width of a head], as what it is given."""
    if query.device.type == "cpu":
        found: Tensor = _OnCPU.apply(query, key, value, blocks, scale, probability)
        return found
    attended = []
    for block, *states in _by_block(blocks, query, key, value):
        q, k, v = (x.unflatten(0, (block.sequences, block.length)).transpose(1, 2) for x in states)
        of_block = F.scaled_dot_product_attention(q, k, v, attn_mask=block.mask, dropout_p=probability, scale=scale)
        attended.append(of_block.transpose(1, 2).flatten(0, 1))
    return torch.cat(attended)


def attend_by_offsets(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ends: Tensor,
    longest: int,
    scale: float,
    probability: float,
    window: int | None = None,
) -> Tensor:
    """The same where the device alone knows the sequences: `ends` [sequences], int32, is where each ends, and none is longer
    than `longest`. With a `window`, only tokens less than that apart see one another.

    On CUDA it is one launch for all of them, as `torch.nn.attention.varlen` makes it, which knows no dropout. Elsewhere it
    says what that computes, at the price of all tokens by all tokens."""
    if query.device.type == "cuda":
        starts = F.pad(ends, (1, 0))
        side = None if window is None else window - 1
        width = query.shape[-1]
        q, k, v = query, key, value
        if lacking := -width % 8:  # of a multiple that the kernel asks for
            q, k, v = (F.pad(states, (0, lacking)) for states in (q, k, v))
        attended: Tensor = torch.ops.aten._flash_attention_forward(
            q,
            k,
            v,
            starts,
            starts,
            longest,
            longest,
            probability,
            is_causal=False,
            return_debug_mask=False,
            scale=scale,
            window_size_left=side,
            window_size_right=side,
        )[0]
        return attended[..., :width]
    places = torch.arange(len(query), device=query.device)
    sequence = torch.bucketize(places, ends, right=True)
    mask = sequence == sequence.unsqueeze(1)
    if window is not None:
        mask = mask & ((places - places.unsqueeze(1)).abs() < window)
    return attend(query, key, value, [Unfolding(mask[None, None])], scale, probability)
