"""The mean of the weights is the one that its formula says."""

from __future__ import annotations

import torch
from three_tasks import make_model

from mtk.training.averaging import WeightAverage


def test_it_is_the_exponential_moving_average() -> None:
    model = make_model()
    average = WeightAverage(model, 0.75)
    weight = next(model.parameters())
    expected = torch.empty(0)
    for step in range(1, 5):
        with torch.no_grad():
            weight.add_(torch.randn_like(weight))
        average.update(model, step)
        expected = weight.detach().clone() if step == 1 else 0.75 * expected + 0.25 * weight.detach()
    torch.testing.assert_close(next(average.model.parameters()).detach(), expected)
