"""Adam by hand: torch's."""

from __future__ import annotations

import torch
from published import TASKS, step

from mtk_optimizers.adam import AdamWeights


class Learns(AdamWeights):
    def weights(self, gramian: torch.Tensor) -> torch.Tensor:
        self.learn(gramian[0], 0.03)
        return self.learned.clone()


def test_equals_torch() -> None:
    combiner, other = Learns(TASKS, 0.5).double(), torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([other], lr=0.03)
    for number in range(10):
        gradients = step(number)[1]
        gramian = gradients @ gradients.T
        other.grad = gramian[0].clone()
        adam.step()
        torch.testing.assert_close(combiner.weights(gramian), other.detach(), rtol=1e-12, atol=1e-12)
