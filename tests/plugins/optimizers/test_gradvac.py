"""GradVac: two gradients are turned until they are as alike as the goal. Beside TorchJD's it is in test_torchjd.py."""

from __future__ import annotations

import torch

from mtk_optimizers.gradvac import GradVac, vaccinate


def test_a_gradient_is_turned_until_the_goal_is_reached() -> None:
    gradients = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 2.0, 0.5]], dtype=torch.float64)
    goals = torch.tensor([[0.0, 0.3], [-0.9, 0.0]], dtype=torch.float64)
    orders = torch.tensor([[0, 1], [1, 0]])
    coefficients, after = vaccinate(gradients @ gradients.T, orders, goals, 0.5, 0.0)
    turned = coefficients @ gradients
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(turned[0], gradients[1], dim=0), goals[0, 1])
    torch.testing.assert_close(turned[1], gradients[1])  # whose goal was reached
    between = cosine(gradients[0], gradients[1], dim=0)
    expected = torch.stack([(0.3 + between) / 2, (between - 0.9) / 2])
    torch.testing.assert_close(torch.stack([after[0, 1], after[1, 0]]), expected)


def test_goals_follow_the_cosines() -> None:
    combiner = GradVac(("one", "two"), beta=0.5)
    gramian = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    for _ in range(40):
        combiner.weights(gramian)
    torch.testing.assert_close(combiner.goals, torch.tensor([[0.0, 0.5], [0.5, 0.0]]), rtol=0, atol=1e-6)
