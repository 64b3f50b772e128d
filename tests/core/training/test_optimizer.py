"""Which parameter decays and at which rate it learns."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
import three_tasks
import torch
from three_tasks import TASKS
from torch import Tensor, nn

import mtk
from mtk.combiner import Combiner, LossCombiner
from mtk.config import RunConfig
from mtk.engine.gradients import Engine
from mtk.engine.layers import layer_of
from mtk.model.multitask import Model
from mtk.training.optimizer import build_optimizer, freeze_layers

CONFIG = RunConfig(learning_rate=1e-4, head_learning_rate=1e-2, weight_decay=0.1)
ADAMW = building.REGISTRY.part("optimizer", "adamw")


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
    for group in build_optimizer(ADAMW, model, combiner, CONFIG, capturable=False).param_groups:
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
    build_optimizer(ADAMW, model, combiner, CONFIG, capturable=False).step()
    # in its first step Adam goes as far as its rate, whatever the gradient
    torch.testing.assert_close(weight.detach(), before[0] * (1 - 1e-2 * 0.1) - 1e-2)
    torch.testing.assert_close(bias.detach(), before[1] - 1e-2)


def test_one_that_can_be_recorded_has_its_rates_on_the_device(model: Model, combiner: Combiner) -> None:
    for group in build_optimizer(ADAMW, model, combiner, CONFIG, capturable=True).param_groups:
        assert isinstance(group["lr"], Tensor)
        assert group["lr"].device == model.device
        assert group["capturable"]


@pytest.mark.parametrize("text", ["adamw", "sgd:momentum=0.9,nesterov=true", "adafactor", "rmsprop", "radam:betas=0.8/0.9"])
@pytest.mark.parametrize("packed", [True, False])
def test_frozen_layers_stay_and_the_others_move(text: str, packed: bool) -> None:
    model = three_tasks.make_model()
    freeze_layers(model.encoder.backbone, "embeddings,1")
    combiner = building.combiner("pcgrad", [task.name for task in TASKS])
    part = building.REGISTRY.part("optimizer", text)
    optimizer = build_optimizer(part, model, combiner, RunConfig(learning_rate=0.1), capturable=False)
    before = {name: p.detach().clone() for name, p in model.encoder.backbone.named_parameters()}
    engine = Engine(model, combiner, packed=packed)
    engine.backward(three_tasks.batches())
    optimizer.step()
    moved = {layer_of(name) for name, p in model.encoder.backbone.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"encoder.layer.0"}


def test_each_layer_has_the_rate_of_the_one_above_times_the_factor() -> None:
    model = three_tasks.make_model()
    config = RunConfig(learning_rate=1.0, layer_decay=0.5)
    part = building.REGISTRY.part("optimizer", "adamw")
    optimizer = build_optimizer(part, model, torch.nn.Module(), config, capturable=False)
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = {layer_of(name): rates[p] for name, p in model.encoder.backbone.named_parameters()}
    assert found["encoder.layer.0"] == found["encoder.layer.1"] / 2
    assert found["embeddings"] == found["encoder.layer.1"] / 4
    assert {rates[p] for p in model.heads.parameters()} == {config.head_learning_rate}


def test_a_layer_that_there_is_not() -> None:
    with pytest.raises(mtk.UsageError, match=r"no layer 'embedings': its layers are .*Did you mean embeddings"):
        freeze_layers(three_tasks.make_model().encoder.backbone, "embedings")
