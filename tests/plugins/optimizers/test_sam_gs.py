"""SAM-GS: equal to its authors' code, where gradients follow their momentum and where they are made equally long."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, equals, step

from mtk_optimizers.sam_gs import SAMGS, mean_likeness

FOLLOWED = [-36.3958930014755, 18.249250337500204, -11.965362803730002, -50.75485477233698]
EQUALISED = [-2.6233558543419973, 0.24528184776606654, -0.404929737881917, -1.3689556615693275]


@pytest.mark.parametrize(("gamma", "expected"), [(0.1, FOLLOWED), (0.99, EQUALISED)])
def test_equals_the_published_code(gamma: float, expected: list[float]) -> None:
    combiner = SAMGS(TASKS, gamma=gamma).double()
    given = [combiner.combine(step(number)[1], step(number)[2]) for number in range(3)]
    equals(given[2], expected)


@pytest.mark.parametrize(
    ("lengths", "likeness"), [([1, 1, 1], 1), ([1, 0], 0), ([0, 0], 1), ([5], 1), ([1, 3], 0.6), ([1e-30, 3e-30], 0.6)]
)
def test_how_alike_lengths_are(lengths: list[float], likeness: float) -> None:
    torch.testing.assert_close(mean_likeness(torch.tensor(lengths, dtype=torch.float32)), torch.tensor(float(likeness)))
