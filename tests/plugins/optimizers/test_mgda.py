"""MGDA by Frank and Wolfe's method: near the shortest combination. Beside TorchJD's it is in test_torchjd.py."""

from __future__ import annotations

from published import TASKS, step

from mtk_optimizers.mgda import MGDA
from mtk_optimizers.simplex import shortest


def test_the_longer_it_searches_the_nearer_it_comes() -> None:
    for number in range(5):
        _, gradients, _ = step(number)
        gramian = gradients @ gradients.T
        best = shortest(gramian)
        square = best @ gramian @ best
        reached = [MGDA(TASKS, epsilon=1e-9, max_iters=steps).weights(gramian) for steps in (1, 10, 1000)]
        gaps = [weights @ gramian @ weights - square for weights in reached]
        assert gaps[0] >= gaps[1] >= gaps[2] >= -1e-12
        assert gaps[2] < 0.01 * gramian.trace()
