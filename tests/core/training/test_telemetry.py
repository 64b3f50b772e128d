"""What is told between two reports: means of what the steps told, each over the steps that told it, and that were made."""

from __future__ import annotations

import torch

from mtk.engine.gradients import Outcome
from mtk.training.telemetry import Telemetry

LAYERS = ("embeddings", "layer.0")


def add(
    telemetry: Telemetry,
    tasks: tuple[str, ...],
    losses: list[float],
    own: dict[str, float] | None = None,
    finite: bool = True,
) -> Outcome:
    """A step on example 7 of each task."""
    of_heads = {name: torch.tensor(loss) for name, loss in (own or {}).items()}
    outcome = Outcome(tasks, torch.tensor(losses), of_heads, None, None, torch.tensor(finite))
    telemetry.add(len(telemetry.outcomes) + 1, outcome, {task: [7] for task in tasks})
    return outcome


def test_losses_are_means_over_the_steps_that_a_task_had() -> None:
    telemetry = Telemetry(LAYERS)
    add(telemetry, ("a", "b"), [1.0, 5.0], {"a/own": 0.5})
    add(telemetry, ("a",), [3.0], {"a/own": 1.5})
    assert telemetry.losses() == {"a": 2.0, "b": 5.0}
    assert telemetry.own_losses() == {"a/own": 1.0}
    assert telemetry.geometry().cosines == {}


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


def test_a_step_that_was_skipped_tells_nothing_of_gradients() -> None:
    telemetry = Telemetry(LAYERS)
    for overflowed, cosine in ((False, 0.5), (True, -1.0)):
        gramian = torch.tensor([[1.0, cosine], [cosine, 1.0]])
        losses, skipped = torch.zeros(2), torch.tensor(overflowed)
        outcome = Outcome(("a", "b"), losses, {}, gramian, None, ~skipped, overflowed=skipped)
        telemetry.add(1, outcome, {"a": [7], "b": [7]})
    assert telemetry.geometry().cosines == {"a/b": 0.5}
