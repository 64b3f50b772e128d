"""Attention is that of torch, and so are its gradients."""

from __future__ import annotations

import torch
from torch import nn

from mtk.engine.attention import attend


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    for mask in (torch.rand(2, 1, 1, 5) > 0.3, torch.rand(5, 5) > 0.3, torch.rand(2, 1, 5, 5) > 0.3):
        mask[..., 0] = True
        ours = attend(q, k, v, mask, 0.7, 0.0)
        torchs = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.7)
        torch.testing.assert_close(ours, torchs)
        toward = torch.randn_like(ours)
        for one, other in zip(
            torch.autograd.grad(ours, (q, k, v), toward), torch.autograd.grad(torchs, (q, k, v), toward), strict=True
        ):
            torch.testing.assert_close(one, other)
