"""Round-robin: one task after another, in their order, each with an optimizer step of its own."""

from __future__ import annotations

import pytest
import torch

from mtk_optimizers.round_robin import RoundRobin


@pytest.mark.parametrize("tasks", [["a"], ["b", "a"], ["a", "b", "c"]])
def test_every_task_has_one_turn_in_the_order_of_the_tasks(tasks: list[str]) -> None:
    assert RoundRobin(tasks).turns() == [(task,) for task in tasks]


def test_in_its_turn_a_task_has_its_gradient() -> None:
    loss = torch.tensor([2.0], requires_grad=True)
    RoundRobin(["a", "b"]).scalarize(loss).backward()
    assert loss.grad is not None
    assert loss.grad.tolist() == [1]
