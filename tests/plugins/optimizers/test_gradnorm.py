"""GradNorm: the weights follow the gradient of its loss, by autograd, and reach the lengths that the paper asks for."""

from __future__ import annotations

import torch
from published import TASKS, step

from mtk_optimizers.gradnorm import GradNorm


def test_the_weights_step_along_the_gradient_of_equation_2() -> None:
    combiner = GradNorm(TASKS, alpha=0.7, rate=0.01).double()
    weights, first = torch.ones(3, dtype=torch.float64), step(0)[0]
    for number in range(4):
        losses, gradients, about = step(number)
        torch.testing.assert_close(combiner.weights(gradients @ gradients.T, about), weights)
        learned = weights.clone().requires_grad_()
        lengths = (learned.unsqueeze(1) * gradients).norm(dim=1)
        left = losses / first
        target = (lengths.mean() * (left / left.mean()) ** 0.7).detach()
        ((lengths - target).abs().sum() / lengths.mean().detach()).backward()
        assert learned.grad is not None
        weights = weights - 0.01 * learned.grad
        weights = 3 * weights / weights.sum()


def test_at_equal_rates_the_weighted_gradients_become_equally_long() -> None:
    _, _, about = step(0)
    lengths = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    combiner = GradNorm(TASKS, rate=1e-3).double()
    for _ in range(4000):
        weights = combiner.weights(torch.outer(lengths, lengths), about)
    pull = weights * lengths
    torch.testing.assert_close(pull, pull.mean().expand(3), rtol=0.02, atol=0)
