"""UW-SO: the softmax of the inverse losses, which count as constant."""

from __future__ import annotations

import torch
from published import TASKS, slopes, step

from mtk_optimizers.uw_so import UWSO


def test_the_weights_are_the_softmax_of_the_inverse_losses() -> None:
    losses = step(0)[0]
    expected = torch.exp(1 / losses / 2)
    torch.testing.assert_close(slopes(UWSO(TASKS, temperature=2.0).double(), 0), expected / expected.sum())
