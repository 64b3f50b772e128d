"""Processes that hold an encoder in parts come to what one comes to that holds all of it, whichever combiner, however uneven
the batches and the parts; and what they hold in parts is written and read as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import building
import pytest
import torch
import transformers
from three_tasks import BERT, batches, make_model
from together import losses_heard, one_thread, together
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mtk.config import RunConfig, check
from mtk.engine.gradients import Engine
from mtk.engine.processes import ALONE, Processes
from mtk.engine.recomputation import recompute
from mtk.engine.sharding import Sharded, own_part, shard
from mtk.errors import UsageError
from mtk.model.multitask import Model
from mtk.training.evaluation import evaluate_splits
from mtk.training.optimizer import check_sharded, freeze_layers
from mtk.training.trainer import Trainer


class Case(NamedTuple):
    combiner: str
    settings: Mapping[str, Any] = MappingProxyType({})
    pooling: str = "mean"
    head: str = "linear"

    def __str__(self) -> str:
        told = [f"{name}={value}" for name, value in self.settings.items()]
        return " ".join([self.combiner, *told, *([] if self.pooling == "mean" else [self.pooling])])


CASES = [
    Case("sum"),
    Case("round-robin"),
    Case("pcgrad"),
    Case("pcgrad:scope=layer", {"layer_decay": 0.9}),
    Case("pcgrad", {"accumulate": 3, "freeze": "embeddings"}),
    Case("upgrad", pooling="attention"),
    Case("uw"),  # a scalar of all losses: all tasks pass the encoder before one backward pass
    Case("uw", {"accumulate": 2}),
    Case("sum", {"cosines": "layer", "clip_norm": 0.0, "recompute": True, "sampler": "annealed"}),
    Case("modo"),  # two halves of each batch
]
COUNTS = [(case, 3 + number % 2) for number, case in enumerate(CASES)]  # of processes; two are tried below, in a shorter run
LONG = 12  # steps of these runs, with parts of the last batches empty
STEPS = 4

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
ENCODERS: list[tuple[transformers.PreTrainedConfig, str]] = [
    (BERT, "cls"),
    (transformers.AlbertConfig(**SMALL, embedding_size=8), "mean"),  # one layer's weights, used by all
    (transformers.DebertaV2Config(**SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"]), "attention"),
    (transformers.MPNetConfig(**SMALL), "last-layers:k=2"),  # a table beside the layers, which all of them read
]


class Trained(NamedTuple):
    losses: list[Tensor]  # [T] of each step
    weights: dict[str, Tensor]
    held: int  # numbers of the encoder that this process holds
    scores: Any


def trained(encoder: Path, corpus: Path, case: Case, processes: Processes, steps: int = STEPS) -> Trained:
    data = building.read_tasks(corpus, {"sst": 40, "para": 24, "sts": 10})  # sts has a batch of 2 in every pass
    config: RunConfig = check({"learning_rate": 1e-3, "steps": steps, "epochs": steps, **case.settings})
    torch.manual_seed(0)
    made = building.encoder(encoder, case.pooling)
    freeze_layers(made.backbone, config.freeze)
    if config.recompute:
        recompute(made.backbone)
    model = building.model(made, [d.task for d in data.values()], case.head, 32)
    if processes.sharded:
        shard(made, torch.device("cpu"), None)
    tokens = {name: model.tokenize(name, d.train) for name, d in data.items()}
    engine = Engine(
        model,
        building.combiner(case.combiner, list(data)),
        packed=False,
        clip_norm=config.clip_norm,
        cosines=config.cosines,
        processes=processes,
    )
    recipe = building.recipe(config.sampler)
    trainer = Trainer(engine, tokens, dict.fromkeys(data, 8), config, recipe, report=lambda _: None)
    losses = losses_heard(engine)
    torch.manual_seed(1)
    list(trainer.evaluations())
    held = sum(own_part(parameter).numel() for parameter in made.parameters())
    dev = {name: model.tokenize(name, d.dev) for name, d in data.items()}
    scores = evaluate_splits(model, dev, processes=processes).losses
    return Trained(losses, {n: whole(v) for n, v in model.state_dict().items()}, held, scores)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "count"), COUNTS, ids=str)
def test_any_number_of_them_does(
    tiny_encoder: Path, tiny_corpus: Path, case: Case, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "train", lambda model, _=True: nn.Module.train(model, False))
    alone = trained(tiny_encoder, tiny_corpus, case, ALONE, LONG)
    for one in together(count, lambda p: trained(tiny_encoder, tiny_corpus, case, Sharded(p.rank, p.count), LONG)):
        torch.testing.assert_close(one.losses, alone.losses, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.weights, alone.weights, atol=1e-4, rtol=1e-3)


def test_an_encoder_of_any_family_has_the_gradients_of_one_process() -> None:
    """float64, in three processes, of which some have no row of a parameter: Gramians by layer, the gradient of each
    parameter, and none for what nobody uses; in as many passes as there are tasks, whoever has examples of them."""
    given = batches()

    def gradients(processes: Processes) -> list[tuple[Tensor | None, dict[str, Tensor]]]:
        found = []
        for config, pooling in ENCODERS:
            model = make_model(config, pooling)
            own: dict[str, Any] = dict(given)
            if processes.count > 1:
                shard(model.encoder, torch.device("cpu"), None)
                processes = Sharded(processes.rank, processes.count)
                own = {
                    task: parts if number == processes.rank else [replace(parts[0], silent=True)]
                    for number, (task, parts) in enumerate(given.items())
                }
            engine = Engine(
                model, building.combiner("pcgrad:scope=layer", list(given)), packed=False, clip_norm=1.0, processes=processes
            )
            outcome = engine.backward(own, {task: sum(map(len, parts)) for task, parts in given.items()})
            named = {name: whole(p.grad) for name, p in model.named_parameters() if p.grad is not None}
            found.append((outcome.gramian, named))
        return found

    alone = gradients(ALONE)
    for found in together(3, gradients):
        torch.testing.assert_close(found, alone)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd:momentum=0.9", "adagrad"])
def test_an_optimizer_that_does_the_same_to_what_is_sharded_is_taken(optimizer: str) -> None:
    part = building.REGISTRY.part("optimizer", optimizer)
    together(2, lambda processes: check_sharded(part, processes, torch.device("cpu")))


def test_one_that_does_not_is_refused_by_name() -> None:
    part = building.REGISTRY.part("optimizer", "adafactor")

    def tried(processes: Processes) -> None:
        with pytest.raises(UsageError, match="--shard: --optimizer adafactor cannot step with what is sharded"):
            check_sharded(part, processes, torch.device("cpu"))

    together(2, tried)


def whole(value: Tensor) -> Tensor:
    return value.full_tensor() if isinstance(value, DTensor) else value


def all_trained(encoder: Path, corpus: Path, processes: Processes, sharded: bool) -> list[Trained]:
    """Every case, one after the other. Models stay in eval mode: what dropout drops depends on who draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "train", lambda model, _=True: nn.Module.train(model, False))
        own = Sharded(processes.rank, processes.count) if sharded else processes
        return [trained(encoder, corpus, case, own) for case in CASES]


@pytest.fixture(scope="module")
def by_one_and_by_two(tiny_encoder: Path, tiny_corpus: Path) -> tuple[list[Trained], list[list[Trained]]]:
    with one_thread():
        alone = all_trained(tiny_encoder, tiny_corpus, ALONE, sharded=False)
        return alone, together(2, lambda processes: all_trained(tiny_encoder, tiny_corpus, processes, sharded=True))


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_two_processes_with_parts_train_as_one_does(
    by_one_and_by_two: tuple[list[Trained], list[list[Trained]]], number: int
) -> None:
    alone, both = by_one_and_by_two[0][number], [of_all[number] for of_all in by_one_and_by_two[1]]
    for one in both:
        torch.testing.assert_close(one.losses, alone.losses, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(one.weights, alone.weights, atol=1e-5, rtol=1e-4)
        assert one.scores == pytest.approx(alone.scores, rel=1e-4)
    assert sum(one.held for one in both) == alone.held
