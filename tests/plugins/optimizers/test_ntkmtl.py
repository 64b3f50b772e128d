"""NTKMTL: equal to its authors' code, which takes it times the number of tasks."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, equals, step

from mtk_optimizers.ntkmtl import NTKMTL

PUBLISHED = {
    0.5: [5.2132442748566925, 6.186697201183373, -5.031574916606769, -2.4967175847086867],
    0.75: [7.219359530552951, 8.087397294037658, -6.777197869441483, -3.781516808794019],
}


@pytest.mark.parametrize("exponent", PUBLISHED)
def test_equals_the_published_code(exponent: float) -> None:
    gradients = step(0)[1]
    weights = NTKMTL(TASKS, exponent=exponent).weights(gradients @ gradients.T)
    equals(3 * weights @ gradients, PUBLISHED[exponent])


def test_at_a_half_the_weighted_gradients_are_equally_long() -> None:
    lengths = torch.tensor([1.0, 2.0, 400.0], dtype=torch.float64)
    weighted = NTKMTL(TASKS).weights(torch.diag(lengths**2)) * lengths
    torch.testing.assert_close(weighted, weighted.mean().expand(3))
