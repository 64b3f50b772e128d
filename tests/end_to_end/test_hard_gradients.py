"""Every combiner at gradients that a training comes to now and then: none, tiny ones, equal and opposite ones, and what is
no number. Nothing is raised, no solver's warning reaches a user, and what was finite stays so."""

from __future__ import annotations

import warnings
from typing import Any

import building
import pytest
import torch
from building import REGISTRY
from torch import Tensor

import mtk
from mtk.calling.failures import call

TASKS = ("one", "two", "three")
COMBINERS = [c.name + building.NEEDED.get(c.name, "") for c in REGISTRY.components if c.kind == "combiner"]
COMBINERS += ["cagrad:scope=layer", "modo:scope=layer,normalize=true"]

ROW = torch.tensor([1.0, -2.0, 0.5, 3.0])
OTHER = torch.tensor([2.0, 1.0, 1.0, -0.5])
CASES = {
    "none": torch.zeros(3, 4),
    "one is none": torch.stack([ROW, OTHER, 0 * ROW]),
    "tiny": 1e-12 * torch.stack([ROW, OTHER, ROW + OTHER]),
    "one is tiny": torch.stack([ROW, 1e-12 * OTHER, ROW + OTHER]),
    "huge": 1e8 * torch.stack([ROW, OTHER, ROW + OTHER]),
    "equal": torch.stack([ROW, ROW, ROW]),
    "opposite": torch.stack([ROW, -ROW, OTHER]),
    "opposite in sum": torch.stack([ROW, OTHER, -ROW - OTHER]),
}


def combined(combiner: mtk.Combiner, gradients: Tensor, losses: Tensor, number: int) -> Tensor:
    """What the engine makes of it: one with a solver is not asked about a Gramian of no numbers."""
    step = mtk.Step(TASKS, losses, torch.full((3,), 8), torch.tensor(number))
    if isinstance(combiner, mtk.GradientCombiner):
        found: Tensor = call(combiner, "combine", gradients=gradients, step=step)
        return found
    if isinstance(combiner, mtk.GramianCombiner):
        gramian, cross = gradients @ gradients.T, 1.1 * gradients @ gradients.flip(1).T  # halves that have little in common
        if combiner.uses_host and not gramian.isfinite().all():
            return torch.full_like(gradients[0], torch.nan)
        if combiner.scope == "layer":  # of which there is one
            gramian, cross = gramian.unsqueeze(0), cross.unsqueeze(0)
        weights: Tensor = call(combiner, "weights", gramian=gramian, cross=cross, step=step)
        return weights.reshape(-1) @ gradients
    of_losses = losses.clone().requires_grad_()
    call(combiner, "scalarize", losses=of_losses, step=step).backward()
    assert of_losses.grad is not None
    return of_losses.grad @ gradients


@pytest.fixture(autouse=True)
def every_warning_is_an_error() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("spec", COMBINERS)
def test_what_is_finite_stays_so(spec: str, case: str) -> None:
    combiner, gradients = building.combiner(spec, TASKS), CASES[case]
    torch.manual_seed(0)
    for number in range(3):
        with torch.enable_grad():
            found = combined(combiner, gradients, torch.tensor([1.0, 0.5, 2.0]), number)
        assert found.isfinite().all()
        if case == "none":
            assert not found.any()
        if case == "equal":
            assert found @ ROW >= 0, "no task is made worse by what all want"


@pytest.mark.parametrize("spec", COMBINERS)
def test_a_learned_task_has_no_loss(spec: str) -> None:
    combiner = building.combiner(spec, TASKS)
    for number in range(3):
        assert combined(combiner, CASES["one is none"], torch.tensor([1.0, 0.5, 0.0]), number).isfinite().all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("spec", COMBINERS)
def test_what_is_no_number_raises_nothing(spec: str, value: float) -> None:
    """The engine finds it by itself, names the step and the task, and ends the run before the update."""
    combiner, gradients = building.combiner(spec, TASKS), torch.stack([ROW, OTHER, ROW + OTHER])
    gradients[1, 2] = value
    combined(combiner, gradients, torch.tensor([1.0, value, 2.0]), 0)
