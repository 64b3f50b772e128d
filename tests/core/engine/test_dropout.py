"""Dropout drops the share that it is told to, whichever way it draws."""

from __future__ import annotations

import pytest
import torch

from mtk.engine.dropout import dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_share_the_mean_and_the_gradient(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1001, dtype=dtype, requires_grad=True)
    y = dropout(x, probability)
    kept = y != 0
    share = kept.double().mean().item()
    assert share == pytest.approx(1 - probability, abs=4 * (probability * (1 - probability) / x.numel()) ** 0.5)
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - probability)), rtol=1e-2, atol=0)
    y.backward(torch.full_like(y, 2.0))
    torch.testing.assert_close(x.grad, 2 * y.detach())
    # neighbours, rows and columns fall independently of one another
    for other in (kept[:, 1:] & kept[:, :-1], kept[1:] & kept[:-1]):
        assert other.double().mean().item() == pytest.approx((1 - probability) ** 2, abs=3e-3)


def test_dropout_follows_the_seed() -> None:
    x = torch.ones(64, 3)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("probability", "wanted"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_of_nothing_and_of_all(probability: float, wanted: float) -> None:
    assert torch.equal(dropout(torch.ones(5, 5), probability), torch.full((5, 5), wanted))
