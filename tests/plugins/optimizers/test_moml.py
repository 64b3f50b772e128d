"""MOML: the weights follow MGDA of the slopes that autograd finds through a short look-ahead step."""

from __future__ import annotations

import torch
from published import TASKS, by_halves, halves

from mtk_optimizers.moml import MOML
from mtk_optimizers.simplex import shortest

SHORT = 1e-6


def test_the_slopes_are_those_through_a_short_step() -> None:
    combiner = MOML(TASKS, rate=0.05).double()
    own = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([own], lr=0.05)
    for number in range(6):
        train, held_out = halves(number)
        curved = torch.randn(3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(number))
        place = torch.zeros(4, dtype=torch.float64)  # where the losses' gradients are these
        ahead = place - SHORT * own.softmax(dim=0) @ train
        losses = held_out @ ahead + torch.einsum("p,tpq,q->t", ahead, curved, ahead)
        rows = [torch.autograd.grad(loss, own, retain_graph=True)[0] / SHORT for loss in losses]
        slopes = torch.stack(rows)
        own.grad = shortest(slopes @ slopes.T) @ slopes
        adam.step()
        torch.testing.assert_close(by_halves(combiner, number), 3 * own.detach().softmax(dim=0), rtol=1e-4, atol=1e-4)


def test_a_task_whose_step_harms_all_on_other_examples_loses_weight() -> None:
    combiner = MOML(TASKS, rate=0.05).double()
    cross = torch.tensor([[1.0, 1, 1], [1, 1, 1], [-1, -1, -1]], dtype=torch.float64)
    for _ in range(30):
        weights = combiner.weights(torch.eye(3, dtype=torch.float64), cross)
    assert weights[2] < 0.5 * min(weights[0], weights[1])
