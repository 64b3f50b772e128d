"""Which parameter decays and at which rate it learns."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
import torch
from three_tasks import TASKS
from torch import Tensor, nn

from mtk.combiner import Combiner, LossCombiner
from mtk.config import RunConfig
from mtk.model.multitask import Model
from mtk.training.optimizer import build_optimizer

CONFIG = RunConfig(learning_rate=1e-4, head_learning_rate=1e-2, weight_decay=0.1)


class Learned(LossCombiner):
    def __init__(self, tasks: list[str]) -> None:
        super().__init__(tasks)
        self.matrix = nn.Parameter(torch.ones(2, 2))

    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum() * self.matrix.sum()


@pytest.fixture
def model(tiny_encoder: Path) -> Model:
    return building.model(tiny_encoder, TASKS, "linear")


@pytest.fixture
def combiner() -> Combiner:
    return Learned([t.name for t in TASKS])


def test_every_trained_parameter_has_the_rate_and_the_decay_of_its_place(model: Model, combiner: Combiner) -> None:
    model.encoder.backbone.embeddings.requires_grad_(False)
    found = {}
    for group in build_optimizer(model, combiner, CONFIG, capturable=False).param_groups:
        for parameter in group["params"]:
            assert parameter not in found
            found[parameter] = group["lr"], group["weight_decay"]
    wanted = {}
    for module, rate, decay in ((model.encoder, 1e-4, 0.1), (model.heads, 1e-2, 0.1), (combiner, 1e-2, 0.0)):
        for parameter in module.parameters():
            if parameter.requires_grad:
                wanted[parameter] = rate, decay if parameter.ndim > 1 else 0.0
    assert found == wanted


def test_a_step_is_that_of_adamw(model: Model, combiner: Combiner) -> None:
    head = model.head("sst")
    bias, weight = head.score.bias, head.score.weight
    before = weight.detach().clone(), bias.detach().clone()
    for parameter in (bias, weight):
        parameter.grad = torch.ones_like(parameter)
    build_optimizer(model, combiner, CONFIG, capturable=False).step()
    # in its first step Adam goes as far as its rate, whatever the gradient
    torch.testing.assert_close(weight.detach(), before[0] * (1 - 1e-2 * 0.1) - 1e-2)
    torch.testing.assert_close(bias.detach(), before[1] - 1e-2)


def test_one_that_can_be_recorded_has_its_rates_on_the_device(model: Model, combiner: Combiner) -> None:
    for group in build_optimizer(model, combiner, CONFIG, capturable=True).param_groups:
        assert isinstance(group["lr"], Tensor)
        assert group["lr"].device == model.device
        assert group["capturable"]
