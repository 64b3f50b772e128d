"""IMGrad: equal to its authors' code, whose solvers stop early; cagrad's direction where the gradients are in balance."""

from __future__ import annotations

import pytest
import torch
from published import TASKS, equals, step

from mtk_optimizers.cagrad import CAGrad
from mtk_optimizers.imgrad import IMGrad

PUBLISHED = {
    (0, 0.5): [1.2947443961386198, 1.2273517197485528, -0.8137081581865948, 0.07402531592183231],
    (0, 0.8): [1.239319810614491, 1.0631237395606097, -0.6556040586794232, 0.22298870159819922],
    (1, 0.5): [-0.449251902842147, 0.5690936905315881, -1.031381143030368, 1.111188845062835],
    (2, 0.8): [-2.2376210247267068, 1.1924914447644137, -0.44056380377174387, -1.5219011146450834],
}


@pytest.mark.parametrize(("number", "c"), PUBLISHED)
def test_equals_the_published_code(number: int, c: float) -> None:
    gradients = step(number)[1]
    equals(IMGrad(TASKS, c=c).weights(gradients @ gradients.T) @ gradients, PUBLISHED[number, c], tolerance=1e-3)


def test_a_task_that_is_alone_in_its_direction_gets_more_of_it_than_cagrad_gives() -> None:
    """Two tasks agree, one is orthogonal and short: the mean gradient forgets it, and MGDA's is little but it."""
    gradients = torch.tensor([[3.0, 0], [3, 0], [0, 1]], dtype=torch.float64)
    gramian = gradients @ gradients.T
    by_imgrad, by_cagrad = (combiner(TASKS).weights(gramian) @ gradients for combiner in (IMGrad, CAGrad))
    assert by_imgrad[1] / by_imgrad.norm() > by_cagrad[1] / by_cagrad.norm()
