"""The sum: every task's gradient at its full length, in one step."""

from __future__ import annotations

import torch

from mtk_optimizers.sum import Sum


def test_every_task_counts_alike() -> None:
    losses = torch.tensor([0.5, 2.0, 3.0], requires_grad=True)
    combiner = Sum(["a", "b", "c"])
    scalar = combiner.scalarize(losses)
    scalar.backward()
    assert scalar.item() == 5.5
    assert losses.grad is not None
    assert losses.grad.tolist() == [1, 1, 1]
    assert combiner.turns() == [("a", "b", "c")]


def test_it_says_so_so_that_no_two_graphs_are_held() -> None:
    assert Sum.additive
