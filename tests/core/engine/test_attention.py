"""Attention is that of torch, and so are its gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtk.engine.attention import Places, Unfolding, attend


def the_same(mask: Tensor, places: Places | None = None) -> None:
    """Of what the tokens of two sequences of five positions attend to, and of its gradient."""
    count = 10 if places is None else len(places.position_of)
    # in memory a head after the other, as rotated states are
    tokens = [torch.randn(3, count, 4, dtype=torch.float64).transpose(0, 1).requires_grad_() for _ in range(3)]
    ours = attend(*tokens, [Unfolding(mask, places)], 0.7, 0.0)
    at = torch.arange(10) if places is None else places.position_of
    q, k, v = (x.new_zeros(10, 3, 4).index_copy(0, at, x).view(2, 5, 3, 4).transpose(1, 2) for x in tokens)
    torchs = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.7).transpose(1, 2).flatten(0, 1)[at]
    torch.testing.assert_close(ours, torchs)
    toward = torch.randn(3, count, 4, dtype=torch.float64).transpose(0, 1)
    of_both = [torch.autograd.grad(attended, tokens, toward) for attended in (ours, torchs)]
    for one, other in zip(*of_both, strict=True):
        torch.testing.assert_close(one, other)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    for mask in (torch.rand(2, 1, 1, 5) > 0.3, torch.rand(2, 1, 5, 5) > 0.3):
        mask[..., 0] = True
        the_same(mask)


def test_attention_of_tokens_without_padding_is_that_of_torch() -> None:
    torch.manual_seed(0)
    there = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], dtype=torch.bool)
    near = (torch.arange(5) - torch.arange(5).unsqueeze(1)).abs() < 2
    places = Places(torch.tensor([0, 1, 2, 9, 4, 3, 4, 5, 6, 0]).clamp_max(6), there.flatten().nonzero().squeeze(1))
    the_same(there[:, None, None], places)
    the_same(there[:, None, None] & near, places)
