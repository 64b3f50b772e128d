"""Several tasks on the same texts, one file with a column of labels for each: what their heads read alike the encoder reads
once, in training and in evaluation, and nobody's result is another for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import building
import pytest
import torch
from transformers import BertModel

import mtk
from mtk.config import RunConfig
from mtk.data.tokens import Inputs
from mtk.engine.gradients import Parts
from mtk.engine.packing import Packing
from mtk.training.evaluation import evaluate_splits
from mtk.training.trainer import Trainer

TABLE = (
    '[{name}]\nkind = "binary"\ntext = "text"\nlabel = "{name}"\ntrain = "rows.csv"\ndev = "rows.csv"\nunlabelled = [""]\n'
)
HEADS = {"mood": "linear", "topic": "cnn", "rare": "linear"}
WORDS = ("warm", "dull", "happy", "sad")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """24 texts of unequal lengths; every third has no label of the third task."""
    texts = [f"the dog is {WORDS[i % 4]}{' and quiet' * (i % 5)}" for i in range(24)]
    rows = [f"{text},{i % 2},{i % 4 // 2},{i % 2 if i % 3 else ''}" for i, text in enumerate(texts)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,mood,topic,rare", *rows]) + "\n")
    (tmp_path / "tasks.toml").write_text("".join(TABLE.format(name=name) for name in HEADS))
    return tmp_path


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sequences of each pass of an encoder."""
    counts: list[int] = []
    forward = BertModel.forward

    def counted(self, input_ids, *arguments, **named):  # type: ignore[no-untyped-def]
        counts.append(input_ids.shape[0])
        return forward(self, input_ids, *arguments, **named)

    monkeypatch.setattr(BertModel, "forward", counted)
    return counts


def test_an_evaluation_encodes_them_once(corpus: Path, tiny_encoder: Path, encoded: list[int]) -> None:
    data = building.read_tasks(corpus)
    torch.manual_seed(0)
    model = building.model(tiny_encoder, [d.task for d in data.values()], HEADS).eval()
    splits = {name: model.tokenize(name, d.dev) for name, d in data.items()}
    heard: list[tuple[str, int]] = []
    together = evaluate_splits(model, splits, lambda task, done: heard.append((task, done)))
    assert encoded == [24, 16]
    assert heard == [("mood", 24), ("topic", 24), ("rare", 16)]
    assert list(together.metrics) == list(splits)
    for name, tokens in splits.items():
        alone = evaluate_splits(model, {name: tokens})
        assert together.metrics[name] == alone.metrics[name]
        assert torch.equal(together.predictions[name], alone.predictions[name])


def test_training_draws_their_examples_together(corpus: Path, tiny_encoder: Path) -> None:
    """Those of the same rows; the task that lacks labels has other rows, and draws its own."""
    data = building.read_tasks(corpus)
    torch.manual_seed(0)
    model = building.model(tiny_encoder, [d.task for d in data.values()], HEADS)
    train = {name: model.tokenize(name, d.train) for name, d in data.items()}
    engine = building.engine(model, building.combiner("sum", list(train)), names=train["mood"].names)
    config = RunConfig(epochs=2, accumulate=2, dropout=0.0)
    trainer = Trainer(engine, train, dict.fromkeys(train, 4), config, building.recipe(), report=lambda progress: None)
    steps: list[Mapping[str, Parts]] = []
    made = trainer.optimize
    trainer.optimize = lambda batches, *more: steps.append(batches) or made(batches, *more)  # type: ignore[method-assign,func-returns-value]
    assert list(trainer.evaluations()) == [1, 2]
    assert len(steps) == 12
    for step in steps:
        for mood, topic, rare in zip(*step.values(), strict=True):
            assert mood.readings[0] is topic.readings[0]
            assert rare.readings[0] is not mood.readings[0]
            assert not torch.equal(mood.labels, topic.labels) or len(mood) < 4


@pytest.mark.parametrize(("combiner", "rows"), [("sum", 4 + 4), ("pcgrad", 4 + 4 + 4)])
def test_a_run_encodes_them_once_where_no_task_needs_a_gradient_of_its_own(
    corpus: Path, tiny_encoder: Path, tmp_path: Path, combiner: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packed form passes the sequences of all tasks as one: their number is that of its blocks."""
    passed: list[int] = []
    call = Packing.__call__

    def counted(self: Packing, inputs: list[Inputs], *arguments: Any) -> Any:
        passed.append(sum(len(given["input_ids"]) for given in inputs))
        return call(self, inputs, *arguments)

    monkeypatch.setattr(Packing, "__call__", counted)
    settings = {"epochs": 2, "steps": 6, "batch_size": 4, "device": "cpu", "out": tmp_path / "run"}
    result = mtk.run(data=str(corpus), encoder=str(tiny_encoder), heads=HEADS, combiner=combiner, **settings)
    assert result.steps == 6
    assert passed[-6:] == [rows] * 6
