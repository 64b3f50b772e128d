"""MGDA of logarithms: of the gradients that these have."""

from __future__ import annotations

import torch
from published import TASKS, step

from mtk_optimizers.log_mgda import LogMGDA
from mtk_optimizers.simplex import shortest


def test_the_gradients_are_those_of_logarithms() -> None:
    losses, gradients, about = step(0)
    of_logarithms = gradients / losses.unsqueeze(1)
    combined = LogMGDA(TASKS).weights(gradients @ gradients.T, about) @ gradients
    torch.testing.assert_close(combined, 3 * shortest(of_logarithms @ of_logarithms.T) @ of_logarithms)
