"""SDMGrad: equal to TorchJD's, of the product of the halves' gradients."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, by_halves, halves

from mtk_optimizers.sdmgrad import SDMGrad


@pytest.mark.parametrize("strength", [0.0, 0.3, 5.0])
def test_equals_torchjd(strength: float) -> None:
    aggregation = pytest.importorskip("torchjd.aggregation")
    combiner, other = SDMGrad(TASKS, strength=strength).double(), aggregation.SDMGradWeighting(lambda_=strength)
    for number in range(5):
        first, second = halves(number)
        torch.testing.assert_close(by_halves(combiner, number), other(first @ second.T), rtol=1e-9, atol=1e-9)
