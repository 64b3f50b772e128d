"""A dry run asks of every part what a run will, on the smallest batch that there is, and leaves the model and everything
random as they were."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
import torch
from torch import Tensor, nn

from mtk.combiner import Combiner, LossCombiner
from mtk.errors import UsageError
from mtk.head import Encoding, Head
from mtk.model.multitask import Model
from mtk.training.dry_run import dry_run


@pytest.mark.parametrize("combiner", ["sum", "round-robin", "pcgrad", "uw", "graddrop"])
def test_it_leaves_no_trace(tiny_corpus: Path, tiny_encoder: Path, combiner: str) -> None:
    data = building.read_tasks(tiny_corpus)
    heads = {"sst": "cnn", "para": "linear", "sts": "concat-mlp"}
    model = building.model(tiny_encoder, [d.task for d in data.values()], heads)
    model.heads.append(torch.nn.BatchNorm1d(3))
    model.head("sst").register_forward_hook(lambda _, __, logits: model.heads[-1](logits))  # it counts its batches
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    train = {name: model.tokenize(name, d.train) for name, d in data.items()}

    dry_run(model, building.combiner(combiner, list(data)), train, packed=True)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


class Watches(Head):
    """A linear head that notes in which mode it saw how many examples, and whether there were labels."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, outputs)
        self.seen: list[tuple[str, int, bool]] = []

    def forward(self, first: Encoding, labels: Tensor | None = None) -> Tensor:
        self.seen.append(("train" if self.training else "eval", len(first.embedding), labels is not None))
        return self.logits(self.score(first.embedding))

    def logits(self, logits: Tensor) -> Tensor:
        return logits


class FailsInTraining(Watches):
    def logits(self, logits: Tensor) -> Tensor:
        return logits.view(-1, 999) if self.training else logits


class FailsInAPrediction(Watches):
    def logits(self, logits: Tensor) -> Tensor:
        return logits if self.training else logits.view(-1, 999)


class Normalises(Watches):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__(width, outputs)
        self.norm = nn.BatchNorm1d(outputs)

    def logits(self, logits: Tensor) -> Tensor:
        normal: Tensor = self.norm(logits)
        return normal


class Sum(LossCombiner):
    def scalarize(self, losses: Tensor) -> Tensor:
        return losses.sum()


class FailsAfterTheStep(Sum):
    def after_step(self, losses):  # type: ignore[no-untyped-def, override]
        return losses()["sst"]


class RepeatsATask(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [(*self.tasks, *self.tasks)]


class InventsATask(Sum):
    def turns(self) -> list[tuple[str, ...]]:
        return [(*self.tasks, "rest")]


def tried(
    corpus: Path, encoder: Path, head: type[Watches] = Watches, combiner: type[Combiner] = Sum, limit: int | None = None
) -> Watches:
    """The head of `sst` after a dry run of `sst` alone, with `limit` examples."""
    data = building.read_tasks(corpus, {"sst": limit} if limit else None)
    sst = data["sst"].task
    model: Model = building.model(encoder, [sst], "linear")
    watched = head(model.encoder.width, sst.kind.outputs)
    model.heads[0] = watched
    train = {"sst": model.tokenize("sst", data["sst"].train)}
    dry_run(model, combiner(["sst"]), train, packed=True)
    return watched


def test_it_trains_with_labels_on_two_examples_and_predicts_without(tiny_corpus: Path, tiny_encoder: Path) -> None:
    assert tried(tiny_corpus, tiny_encoder).seen == [("train", 2, True), ("eval", 2, False)]


def test_a_batch_of_one_is_only_that_of_a_task_with_one_example(tiny_corpus: Path, tiny_encoder: Path) -> None:
    assert tried(tiny_corpus, tiny_encoder, limit=1).seen == [("train", 1, True), ("eval", 1, False)]
    assert tried(tiny_corpus, tiny_encoder, limit=3).seen == [("train", 2, True), ("eval", 2, False)]


def test_a_head_that_normalises_over_the_batch_passes(tiny_corpus: Path, tiny_encoder: Path) -> None:
    tried(tiny_corpus, tiny_encoder, Normalises)
    with pytest.raises(UsageError, match="Normalises is broken: its forward failed: ValueError"):
        tried(tiny_corpus, tiny_encoder, Normalises, limit=1)


@pytest.mark.parametrize("head", [FailsInTraining, FailsInAPrediction])
def test_a_head_that_fails_in_either_mode_is_named(tiny_corpus: Path, tiny_encoder: Path, head: type[Watches]) -> None:
    with pytest.raises(UsageError, match=f"{head.__name__} is broken: its forward failed: RuntimeError: shape"):
        tried(tiny_corpus, tiny_encoder, head)


def test_what_fails_after_the_step_fails_here(tiny_corpus: Path, tiny_encoder: Path) -> None:
    with pytest.raises(UsageError, match="FailsAfterTheStep is broken: its after_step failed: IndexError"):
        tried(tiny_corpus, tiny_encoder, combiner=FailsAfterTheStep)


@pytest.mark.parametrize("combiner", [RepeatsATask, InventsATask])
def test_turns_that_no_run_can_take_are_refused(tiny_corpus: Path, tiny_encoder: Path, combiner: type[Combiner]) -> None:
    with pytest.raises(UsageError, match=f"{combiner.__name__} is broken: its turns are"):
        tried(tiny_corpus, tiny_encoder, combiner=combiner)
