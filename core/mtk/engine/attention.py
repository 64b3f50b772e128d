"""Attention of every token to those of its own sequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mtk.engine.dropout import dropout


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float, probability: float) -> Tensor:
    """Softmax of the scaled products [batch, heads, length, width of a head], with dropout on it, times the values.

    `mask` broadcasts to [batch, heads, length, length] and is True where a token may be seen.
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=probability, scale=scale)
    # With dropout, torch has no fused kernel on a CPU; what it does instead was 1.6 to 2.7 times as long as this.
    batch, heads, length, _ = query.shape
    # not -inf: padding far from its sequence may see nothing at all, and its own share must stay a number
    bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)
    bias = bias.expand(batch, heads, -1, length).flatten(0, 1).expand(-1, length, -1)
    query, key, value = (x.flatten(0, 1) for x in (query, key, value))
    scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    shares = dropout(torch.softmax(scores, dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)), probability)
    attended: Tensor = torch.bmm(shares.to(value.dtype), value).unflatten(0, (batch, heads))
    return attended


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
    """The same within sequences that lie end to end, [tokens, heads, width of a head] as all that it is given; `ends`
    [sequences], int32, is where each ends, and none is longer than `longest`. With a `window`, only tokens less than that
    apart see one another.

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
    q, k, v = (states.transpose(0, 1).unsqueeze(0) for states in (query, key, value))
    return attend(q, k, v, mask[None, None], scale, probability).squeeze(0).transpose(0, 1)
