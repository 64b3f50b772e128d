"""MGDA of logarithms: equal to the code that Dai, Fei and Lu published, its solver carried on to the end."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, equals, step

from mtk_optimizers.log_mgda import LogMGDA
from mtk_optimizers.simplex import shortest

PUBLISHED = [
    [0.6566146105054714, 0.3150665797551992, -0.08776450694389938, 0.41484811521977494],
    [0.16378606303032536, 0.16185605325346492, -0.8968866600186725, 1.6325927772073534],
]


@pytest.mark.parametrize("number", range(len(PUBLISHED)))
def test_equals_the_published_code(number: int) -> None:
    _, gradients, about = step(number)
    equals(LogMGDA(TASKS).weights(gradients @ gradients.T, about) @ gradients, PUBLISHED[number], tolerance=1e-6)


def test_the_gradients_are_those_of_logarithms() -> None:
    losses, gradients, about = step(0)
    of_logarithms = gradients / losses.unsqueeze(1)
    combined = LogMGDA(TASKS).weights(gradients @ gradients.T, about) @ gradients
    torch.testing.assert_close(combined, 3 * shortest(of_logarithms @ of_logarithms.T) @ of_logarithms)
