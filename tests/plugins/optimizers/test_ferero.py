"""FERERO: equal to its authors' code for two tasks, with a larger step and without its beginning anew from equal weights in
each step, which the paper has not; losses come to the proportion asked for."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, equals, halves, step

import mtk
from mtk_optimizers.ferero import FERERO


def test_equals_the_published_code() -> None:
    combiner = FERERO(TASKS[:2], pref_vector=[1.0, 2.0], rate=0.01).double()
    expected = [
        [0.5047487810176986, 0.49525121898230146],
        [0.511606029937734, 0.488393970062266],
        [0.48274983339752037, 0.5172501666024796],
        [0.46291511858431755, 0.5370848814156824],
    ]
    for number, weights in enumerate(expected):
        losses, gradients, about = step(number)
        first, second = (half[:2] for half in halves(number))
        about = mtk.Step(TASKS[:2], losses[:2], about.examples[:2], about.number)
        given = combiner.weights(gradients[:2] @ gradients[:2].T, about, first @ second.T)
        equals(given, weights)


@pytest.mark.parametrize("wanted", [[1.0, 1.0, 2.0], [1.0, 2.0, 2.0]])
def test_the_losses_become_proportional(wanted: list[float]) -> None:
    """Three squared distances to the corners of a triangle, by gradient descent."""
    corners = torch.tensor([[0.0, 0], [2, 0], [0, 2]], dtype=torch.float64)
    place = torch.tensor([0.7, 0.6], dtype=torch.float64)
    combiner = FERERO(TASKS, pref_vector=wanted, rate=0.02).double()
    for number in range(4000):
        gradients = 2 * (place - corners)
        losses = ((place - corners) ** 2).sum(dim=1)
        about = mtk.Step(TASKS, losses, torch.full((3,), 8), torch.tensor(number))
        gramian = gradients @ gradients.T
        place = place - 0.02 * combiner.weights(gramian, about, gramian) @ gradients
    shares = losses / torch.tensor(wanted, dtype=torch.float64)
    assert shares.max() / shares.min() < 1.1
