"""Epochs, turns and steps: how often which task is trained, and how far the learning rate has come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import building
import pytest
import torch

from mtk.config import RunConfig, check
from mtk.engine.cuda_graphs import RecordedSteps
from mtk.engine.gradients import Outcome
from mtk.events import Progress
from mtk.model.multitask import Model
from mtk.training import trainer as module
from mtk.training.optimizer import build_optimizer
from mtk.training.trainer import Trainer


def trainer(
    encoder: Path,
    corpus: Path,
    combiner: str = "sum",
    reports: list[Progress] | None = None,
    record: bool = False,
    by_room: bool = False,
    **settings: object,
) -> Trainer:
    """`by_room` without padding, as on a device."""
    data = building.read_tasks(corpus, {"sst": 40, "para": 24, "sts": 10})
    torch.manual_seed(0)
    model = building.model(encoder, [d.task for d in data.values()], "linear", 32)
    sizes = dict.fromkeys(data, 16) | settings.pop("batch_sizes", dict.fromkeys(data, 8))  # type: ignore[operator]
    config: RunConfig = check({"learning_rate": 1e-3, **settings})
    tokens = {name: model.tokenize(name, d.train) for name, d in data.items()}
    engine = building.engine(
        model,
        building.combiner(combiner, list(data)),
        names=tokens["sst"].names,
        padding_free=by_room,
        clip_norm=config.clip_norm,
    )
    engine.by_room = by_room
    report = (lambda _: None) if reports is None else reports.append
    return Trainer(engine, tokens, sizes, config, building.recipe(), report=report, record=record)


@pytest.mark.parametrize(("epoch", "rounds"), [("longest", 5), ("shortest", 2), (3, 3)])
@pytest.mark.parametrize(("combiner", "turns"), [("sum", 1), ("round-robin", 3)])
def test_an_epoch_is_a_pass_over_the_longest_or_the_shortest_task_or_so_many_rounds(
    tiny_encoder: Path, tiny_corpus: Path, epoch: str | int, rounds: int, combiner: str, turns: int
) -> None:
    trained = trainer(tiny_encoder, tiny_corpus, combiner, epochs=2, epoch=epoch)
    assert trained.steps == 2 * rounds * turns
    assert list(trained.evaluations()) == [1, 2]
    assert trained.step == trained.steps


def test_a_batch_size_of_its_own_counts_in_the_passes(tiny_encoder: Path, tiny_corpus: Path) -> None:
    assert trainer(tiny_encoder, tiny_corpus, batch_sizes={"sst": 20}, epochs=1).steps == 2  # 16 for the others


def test_steps_end_training_and_are_evaluated_after(tiny_encoder: Path, tiny_corpus: Path) -> None:
    trained = trainer(tiny_encoder, tiny_corpus, epochs=10, steps=7)
    assert list(trained.evaluations()) == [1, 2]
    assert trained.step == 7


def test_the_learning_rate_rises_and_falls_to_nothing(tiny_encoder: Path, tiny_corpus: Path) -> None:
    reports: list[Progress] = []
    trained = trainer(tiny_encoder, tiny_corpus, reports=reports, epochs=4, epoch=5, warmup=0.5)
    rates = [reports[-1].learning_rate for _ in trained.evaluations()]
    assert rates == pytest.approx([5e-4, 1e-3, 5e-4, 0])


def test_in_round_robin_a_task_leaves_the_heads_of_others_alone(tiny_encoder: Path, tiny_corpus: Path) -> None:
    trained = trainer(tiny_encoder, tiny_corpus, "round-robin", epochs=1, steps=1, warmup=0.0)
    before = {task: [p.clone() for p in trained.model.head(task).parameters()] for task in trained.model.tasks}
    list(trained.evaluations())
    changed = {
        task: any(not torch.equal(p, b) for p, b in zip(trained.model.head(task).parameters(), before[task], strict=True))
        for task in trained.model.tasks
    }
    assert changed == {"sst": True, "para": False, "sts": False}


def test_vectors_do_not_decay(tiny_encoder: Path, tiny_corpus: Path) -> None:
    for group in trainer(tiny_encoder, tiny_corpus, weight_decay=0.1).optimizer.param_groups:
        assert group["weight_decay"] == (0.1 if group["params"][0].ndim > 1 else 0.0)
        assert len({p.ndim > 1 for p in group["params"]}) == 1


@pytest.fixture
def without_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that stay in eval mode."""
    monkeypatch.setattr(Model, "train", lambda model, _=True: torch.nn.Module.train(model, False))


@pytest.mark.usefixtures("without_dropout")
def test_after_a_step_a_combiner_can_ask_for_the_losses_of_the_same_batches(tiny_encoder: Path, tiny_corpus: Path) -> None:
    trained = trainer(tiny_encoder, tiny_corpus, epochs=1, steps=1, warmup=0.0)
    asked: list[torch.Tensor] = []

    class Asking(type(trained.combiner)):  # type: ignore[misc]
        def after_step(self, losses: Callable[[], torch.Tensor]) -> None:
            asked.append(losses())

    trained.combiner.__class__ = Asking
    reports: list[Progress] = []
    trained.report = reports.append
    list(trained.evaluations())
    before = torch.tensor(list(reports[0].losses.values()))
    assert asked[0].shape == before.shape
    assert not asked[0].requires_grad
    assert asked[0].sum() < before.sum()  # of the batch that the step was made for


@pytest.mark.usefixtures("without_dropout")  # which draws another mask for another batch
@pytest.mark.parametrize("combiner", ["sum", "pcgrad"])
def test_accumulation_trains_the_same_model(tiny_encoder: Path, tiny_corpus: Path, combiner: str) -> None:
    states = []
    for parts in (1, 3):
        trained = trainer(tiny_encoder, tiny_corpus, combiner, accumulate=parts, epochs=1, steps=3)
        torch.manual_seed(1)
        list(trained.evaluations())
        states.append(torch.cat([p.detach().flatten() for p in trained.model.parameters()]))
    torch.testing.assert_close(states[0], states[1], atol=2e-5, rtol=1e-3)


class StandIn:
    """As a caller sees a CUDA graph: a replay computes with what then stands in the batches of the recording."""

    def __init__(self, work: Callable[[], Outcome]) -> None:
        self.replay = work

    def free(self) -> None:
        """It takes nothing."""


@pytest.mark.usefixtures("without_dropout")  # which draws another mask for another shape
@pytest.mark.parametrize("combiner", ["pcgrad", "round-robin"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("by_room", [False, True], ids=["padded", "padding-free"])
def test_steps_have_few_shapes_and_train_the_same_model(
    tiny_encoder: Path, tiny_corpus: Path, combiner: str, accumulate: int, by_room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RecordedSteps", lambda step, rooms: RecordedSteps(step, StandIn, rooms=rooms))
    monkeypatch.setattr(module, "build_optimizer", lambda *how, capturable: build_optimizer(*how, capturable=False))
    plain, recorded = (
        trainer(
            tiny_encoder, tiny_corpus, combiner, record=record, by_room=record and by_room, epochs=4, accumulate=accumulate
        )
        for record in (False, True)
    )
    for trained in (plain, recorded):
        torch.manual_seed(1)
        list(trained.evaluations())
    assert recorded._recorded_step is not None
    assert recorded._recorded_step.replayed > recorded.steps / 3
    for one, other in zip(plain.model.parameters(), recorded.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)


def test_it_is_evaluated_after_so_many_steps_and_after_each_epoch(tiny_encoder: Path, tiny_corpus: Path) -> None:
    trained = trainer(tiny_encoder, tiny_corpus, epochs=2, epoch=5, evaluate_every=3)
    assert [(trained.step, epoch) for epoch in trained.evaluations()] == [(3, 1), (5, 1), (6, 2), (9, 2), (10, 2)]
