"""The engine's gradients against torch.autograd.grad, task by task, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import building
import pytest
import torch
from three_tasks import TASKS, batches, encoder_gradient, halves, make_batch, make_model, plain
from torch import Tensor

from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner
from mtk.engine.gradients import Engine


class Sum(LossCombiner):
    additive = True

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum()


class Uncertainty(LossCombiner):
    """Kendall, Gal and Cipolla 2018, equation 10, with s = log σ²."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.log_variances = torch.nn.Parameter(torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64))

    def scalarize(self, losses: Tensor) -> Tensor:
        return (losses * (-self.log_variances).exp() + self.log_variances).sum()


class GeometricMean(LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.log().mean().exp()


class Fixed(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.new_tensor([0.5, -2.0, 3.0])


class Extremes(GradientCombiner):
    def combine(self, gradients: Tensor) -> Tensor:
        return gradients.amax(dim=0) + gradients.amin(dim=0)


def expected(combiner: Combiner, losses: Tensor, rows: Tensor) -> Tensor:
    if isinstance(combiner, GradientCombiner):
        return combiner.combine(rows)
    if isinstance(combiner, GramianCombiner):
        return combiner.weights(rows @ rows.T) @ rows
    assert isinstance(combiner, LossCombiner)
    losses = losses.clone().requires_grad_()
    return torch.autograd.grad(combiner.scalarize(losses), losses)[0] @ rows


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("parts", [1, 2], ids=["whole", "accumulated"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, GeometricMean, Fixed, Extremes])
def test_the_engine_equals_the_plain_way(kind: type[Combiner], parts: int, packed: bool) -> None:
    model, data = make_model(), batches()
    combiner = kind([t.name for t in TASKS])
    losses, rows, heads = plain(model, data)
    engine = Engine(model, combiner, packed=packed)
    for _ in range(2):  # the second step finds the buffers of the first
        model.zero_grad()
        outcome = engine.backward(data if parts == 1 else {task: halves(batch) for task, batch in data.items()})
        torch.testing.assert_close(outcome.losses, losses)
        torch.testing.assert_close(encoder_gradient(model), expected(combiner, losses, rows))
        for task, own in heads.items():
            torch.testing.assert_close([p.grad for p in model.head(task).parameters()], own)
        if isinstance(combiner, GramianCombiner):
            torch.testing.assert_close(outcome.gramian, rows @ rows.T)
        else:
            assert outcome.gramian is None


def test_a_parameter_of_the_combiner_gets_the_gradient_of_the_scalar() -> None:
    model, data = make_model(), batches()
    combiner = Uncertainty([t.name for t in TASKS])
    losses = building.engine(model, combiner).backward(data).losses
    wanted = 1 - losses * (-combiner.log_variances).exp()
    torch.testing.assert_close(combiner.log_variances.grad, wanted.detach())


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, Fixed, Extremes])
def test_a_parameter_that_no_task_touches_gets_no_gradient(kind: type[Combiner], clip_norm: float, packed: bool) -> None:
    model = make_model()
    Engine(model, kind([t.name for t in TASKS]), clip_norm=clip_norm, packed=packed).backward(batches())
    assert model.encoder.backbone.unused.grad is None


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("clip_norm", [0.01, 1e6], ids=["clipped", "short enough"])
@pytest.mark.parametrize("kind", [Sum, Uncertainty, GeometricMean, Fixed, Extremes])
def test_clipping_is_that_of_torch(kind: type[Combiner], clip_norm: float, packed: bool) -> None:
    model = make_model()
    combiner = kind([t.name for t in TASKS])
    Engine(model, combiner, packed=packed).backward(batches())
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    wanted = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    Engine(model, combiner, packed=packed, clip_norm=clip_norm).backward(batches())
    torch.testing.assert_close([p.grad for p in model.parameters()], wanted)


def test_the_heads_of_tasks_whose_turn_it_is_not_are_left_alone() -> None:
    model, data = make_model(), batches()
    building.engine(model, Sum([t.name for t in TASKS])).backward({"para": data["para"]})
    assert all(p.grad is None for task in ("sst", "sts") for p in model.head(task).parameters())
    assert all(p.grad is not None for p in model.head("para").parameters())


def test_pcgrad_without_conflict_is_the_sum() -> None:
    """Three times the same task: the gradients are one and the same, and nothing is projected away."""
    model = make_model()
    data = {task: [make_batch(task, 6, 0)] for task in ("sst",)}
    gradients = []
    for name in ("sum", "pcgrad"):
        model.zero_grad()
        building.engine(model, building.combiner(name, ["sst"])).backward(data)
        gradients.append(encoder_gradient(model))
    assert torch.equal(*gradients)
