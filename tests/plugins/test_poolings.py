"""Each pooling against its formula, and one with parameters as what it is: a layer that all tasks share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import building
import pytest
import torch
from three_tasks import TASKS, batches, encoder_gradient, halves, make_model, plain
from torch import Tensor

import mtk
from mtk.combiner import GramianCombiner, LossCombiner
from mtk.engine.gradients import Engine
from mtk.training.optimizer import build_optimizer

LENGTHS, WIDTH = (5, 1, 3), 4
NAMES = [task.name for task in TASKS]


def pooled(text: str, layers: Sequence[Tensor], query: Tensor | None = None) -> Tensor:
    pooling = building.pooling(text).build(width=WIDTH)
    if query is not None:
        pooling.query.data.copy_(query)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS).unsqueeze(1)).long()
    encoder = building.untaught(torch.nn.Module(), "mean", width=WIDTH)
    encoder.pooling = pooling
    return encoder.encoding(tuple(layers), mask).embedding


def states(count: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("number", range(len(LENGTHS)))
def test_its_formula(number: int) -> None:
    layers, length = states(4), LENGTHS[number]
    own = [layer[number, :length] for layer in layers]
    query = torch.tensor([0.5, -1.0, 2.0, 0.0])
    shares = torch.softmax(own[-1] @ query / WIDTH**0.5, dim=0)
    expected = {
        "mean": own[-1].mean(dim=0),
        "cls": own[-1][0],
        "max": own[-1].max(dim=0).values,
        "last-layers:k=1": own[-1].mean(dim=0),
        "last-layers:k=3": torch.stack(own[1:]).mean(dim=(0, 1)),
    }
    for text, wanted in expected.items():
        torch.testing.assert_close(pooled(text, layers)[number], wanted)
    torch.testing.assert_close(pooled("attention", layers, query)[number], shares @ own[-1])
    torch.testing.assert_close(pooled("attention", layers)[number], own[-1].mean(dim=0))  # where it begins


class Fixed(GramianCombiner):
    def weights(self, gramian: Tensor) -> Tensor:
        return gramian.new_tensor([0.5, -2.0, 3.0])


class Weighted(LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses @ losses.new_tensor([0.5, -2.0, 3.0])


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("combiner", [Fixed, Weighted])
@pytest.mark.parametrize("pooling", ["attention", "last-layers:k=2"])
def test_its_gradient_is_the_tasks_own_and_a_part_of_the_gramian(
    pooling: str, combiner: type[mtk.Combiner], packed: bool
) -> None:
    model, data = make_model(pooling=pooling), batches()
    for parameter in model.encoder.pooling.parameters():
        torch.nn.init.normal_(parameter)
    losses, rows, heads = plain(model, data)
    engine = Engine(model, combiner(NAMES), packed=packed, cosines="encoder")
    weights = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    for given in (data, {task: halves(parts) for task, parts in data.items()}):
        outcome = engine.backward(given)
        torch.testing.assert_close(outcome.losses, losses)
        torch.testing.assert_close(outcome.gramian, rows @ rows.T)
        torch.testing.assert_close(encoder_gradient(model), weights @ rows)
        for task, own in heads.items():
            torch.testing.assert_close([p.grad for p in model.head(task).parameters()], own)
        engine.release()


def test_a_scalar_of_the_losses_scales_it_too() -> None:
    """The one backward pass that a LossCombiner gets where no Gramian is measured."""
    for packed in (True, False):
        model = make_model(pooling="attention")
        _, rows, _ = plain(model, batches())
        Engine(model, Weighted(NAMES), packed=packed).backward(batches())
        torch.testing.assert_close(encoder_gradient(model), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64) @ rows)


def test_it_is_a_layer_of_its_own_and_learns_at_the_heads_rate() -> None:
    model = make_model(pooling="attention")
    combiner = building.combiner("pcgrad:scope=layer", NAMES)
    assert Engine(model, combiner, packed=True).layers[-1] == "pooling"
    config = mtk.RunConfig(learning_rate=1e-5, head_learning_rate=1e-2, layer_decay=0.5)
    optimizer = build_optimizer(building.REGISTRY.part("optimizer", "adamw"), model, combiner, config, capturable=False)
    (rate,) = (g["lr"] for g in optimizer.param_groups if any(p is model.encoder.pooling.query for p in g["params"]))
    assert rate == 1e-2
    counted = [p for g in optimizer.param_groups for p in g["params"]]
    assert len(counted) == len({id(p) for p in counted}) == len(list(model.parameters()))


def test_what_it_learned_is_saved_with_its_origin_and_taken_by_another_run(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    common = {"data": str(tiny_corpus), "steps": 6, "heads": "linear", "device": "cpu", "combiner": "pcgrad"}
    first = mtk.run(**common, encoder=str(tiny_encoder), pooling="attention", head_learning_rate=0.1, out=tmp_path / "first")
    card = json.loads((first.out / "model" / "model.json").read_text())
    assert card["format"] == 3
    assert (card["pooling"]["name"], card["pooling"]["package"]) == ("attention", "multitask-toolkit")
    assert 'pooling = "multitask-toolkit/attention"' in (first.out / "config.toml").read_text()
    query = mtk.load(first.out, device="cpu").encoder.pooling.query
    assert query.abs().max() > 0.01

    still = {**common, "learning_rate": 0.0, "head_learning_rate": 0.0, "from_run": str(first.out)}
    second = mtk.run(**still, pooling="attention", out=tmp_path / "second")
    assert torch.equal(mtk.load(second.out, device="cpu").encoder.pooling.query, query)
    (first.out / "model" / "pooling.safetensors").rename(tmp_path / "away")
    with pytest.raises(mtk.DataError, match=r"pooling\.safetensors is missing"):
        mtk.load(first.out, device="cpu")


def test_another_pooling_than_the_run_had_begins_anew(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    common = {"data": str(tiny_corpus), "steps": 1, "heads": "linear", "device": "cpu"}
    first = mtk.run(**common, encoder=str(tiny_encoder), out=tmp_path / "first")
    notes: list[str] = []

    class Notes:
        @mtk.hookimpl
        def mtk_run_started(self, plan: mtk.Plan) -> None:
            notes.extend(plan.notes)

    second = {"from_run": str(first.out), "pooling": "attention", "out": tmp_path / "second"}
    mtk.run(**common, **second, listeners=[Notes()])
    assert any("the pooling begins anew" in note and "multitask-toolkit/mean" in note for note in notes)
