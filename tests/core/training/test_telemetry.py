"""What is told between two reports: means of what the steps told, each over the steps that told it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mtk.engine.gradients import Outcome
from mtk.training.telemetry import Telemetry

LAYERS = ("embeddings", "layer.0")


def add(
    telemetry: Telemetry,
    tasks: tuple[str, ...],
    losses: list[float],
    own: dict[str, float] | None = None,
    gramian: Tensor | None = None,
    finite: bool = True,
) -> Outcome:
    """A step on example 7 of each task."""
    of_heads = {name: torch.tensor(loss) for name, loss in (own or {}).items()}
    outcome = Outcome(tasks, torch.tensor(losses), of_heads, gramian, None, torch.tensor(finite))
    telemetry.add(len(telemetry.outcomes) + 1, outcome, {task: [7] for task in tasks})
    return outcome


def gramian(cosine: float, one: float = 1.0, other: float = 1.0) -> Tensor:
    inner = cosine * one * other
    return torch.tensor([[one**2, inner], [inner, other**2]])


def test_losses_are_means_over_the_steps_that_a_task_had() -> None:
    telemetry = Telemetry(LAYERS)
    add(telemetry, ("a", "b"), [1.0, 5.0], {"a/own": 0.5})
    add(telemetry, ("a",), [3.0], {"a/own": 1.5})
    assert telemetry.losses() == {"a": 2.0, "b": 5.0}
    assert telemetry.own_losses() == {"a/own": 1.0}
    assert telemetry.cosines() == telemetry.layer_cosines() == {}


def test_cosines_do_not_depend_on_the_lengths() -> None:
    telemetry = Telemetry(LAYERS)
    add(telemetry, ("a", "b"), [0, 0], gramian=gramian(0.5, one=100.0))
    add(telemetry, ("a", "b"), [0, 0], gramian=gramian(-1.0, other=0.01))
    add(telemetry, ("a", "b"), [0, 0])
    assert telemetry.cosines() == pytest.approx({"a/b": -0.25})


def test_by_layer_there_is_one_for_each_and_one_for_the_encoder() -> None:
    telemetry = Telemetry(LAYERS)
    add(telemetry, ("a", "b"), [0, 0], gramian=torch.stack([gramian(1.0), gramian(-1.0, one=3.0, other=3.0)]))
    assert telemetry.layer_cosines() == {
        "embeddings": pytest.approx({"a/b": 1.0}), "layer.0": pytest.approx({"a/b": -1.0}),
    }  # fmt: skip
    assert telemetry.cosines() == pytest.approx({"a/b": (1 - 9) / 10}), "that of the gradients end to end"


def test_pairs_are_named_in_the_order_of_the_tasks() -> None:
    telemetry = Telemetry(LAYERS)
    add(telemetry, ("c", "a", "b"), [0, 0, 0], gramian=torch.eye(3))
    assert set(telemetry.cosines()) == {"c/a", "c/b", "a/b"}


def test_after_clearing_there_is_nothing_to_tell() -> None:
    telemetry = Telemetry(LAYERS)
    assert not telemetry
    add(telemetry, ("a",), [1.0])
    assert telemetry
    telemetry.clear()
    assert not telemetry
    assert telemetry.losses() == {}


def test_steps_that_are_not_finite_are_taken_out_with_their_examples() -> None:
    telemetry = Telemetry(LAYERS)
    assert telemetry.take_nonfinite() == []
    add(telemetry, ("a",), [1.0])
    assert telemetry.take_nonfinite() == []
    found = add(telemetry, ("a", "b"), [float("nan"), 2.0], finite=False)
    add(telemetry, ("a",), [3.0])
    assert telemetry.take_nonfinite() == [(2, found, {"a": [7], "b": [7]})]
    assert telemetry.take_nonfinite() == []
    assert telemetry.losses() == {"a": 2.0}, "without what is no number"


def test_losses_by_step_are_those_that_were_told() -> None:
    telemetry = Telemetry(LAYERS)
    assert list(telemetry.losses_by_step()) == []
    add(telemetry, ("a", "b"), [1.0, 5.0])
    add(telemetry, ("b",), [3.0])
    assert list(telemetry.losses_by_step()) == [(1, {"a": 1.0, "b": 5.0}), (2, {"b": 3.0})]
