"""A head may read each text of a pair as the encoder read it before training: the same whatever training does, without a
part in it, and saved with the model."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import building
import pytest
import torch
from kinds import Binary, Classification
from three_tasks import TASKS, batches, encoder_gradient, make_batch, make_model, plain
from torch import Tensor, nn

import mtk
from mtk.data.split import Split
from mtk.data.tokens import Batch
from mtk.engine.gradients import Engine
from mtk.export.tail import Tail
from mtk.model.encoder import Encoder
from mtk.model.multitask import Model
from mtk.task import Task

PAIR = Task(name="pair", kind=Binary(), text=("a", "b"), label="y")
ONE = Task(name="one", kind=Classification(("0", "1", "2")), text=("a",), label="y")
FIRST, SECOND = ["the dog is happy", "the cat"], ["a bird eats fish", "the horse was sad"]
SPLIT = Split(["0", "1"], (FIRST, SECOND), [0.0, 1.0], Path("made here"))


class Beside(mtk.Head):
    """Linear on all three."""

    pair_encoding = "pretrained"

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.score = nn.Linear(3 * width, outputs)

    def forward(self, first: mtk.Encoding, second: mtk.Encoding, joint: mtk.Encoding) -> Tensor:
        self.given = first, second, joint
        return self.score(torch.cat([first.embedding, second.embedding, joint.embedding], dim=-1))  # type: ignore[no-any-return]


@pytest.fixture
def encoder(tiny_encoder: Path) -> Encoder:
    return building.encoder(tiny_encoder)


def trained(encoder: nn.Module) -> None:
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)).to(parameter)


def embedded(encoder: Encoder, *columns: list[str]) -> Tensor:
    embedding: Tensor = encoder(dict(encoder.tokenizer(*columns, padding=True, return_tensors="pt"))).embedding
    return embedding


def test_each_text_is_read_as_before_training_and_both_as_now(encoder: Encoder) -> None:
    head = Beside(encoder.width, 1)
    model, before = Model(encoder, [PAIR], {"pair": head}, max_length=32), copy.deepcopy(encoder).eval()
    trained(model.encoder)
    model.loss("pair", model.tokenize("pair", SPLIT).batch([0, 1])).total.backward()  # in train mode, with dropout
    first, second, joint = head.given
    torch.testing.assert_close(first.embedding, embedded(before, FIRST), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(second.embedding, embedded(before, SECOND), atol=1e-5, rtol=1e-4)
    assert [e.embedding.requires_grad for e in (first, second, joint)] == [False, False, True]
    model.eval()("pair", model.tokenize("pair", SPLIT).batch([0, 1]))
    torch.testing.assert_close(head.given[2].embedding, embedded(encoder, FIRST, SECOND), atol=1e-5, rtol=1e-4)


def test_it_is_no_part_of_what_is_trained_averaged_or_resumed(encoder: Encoder) -> None:
    plainly = building.model(copy.deepcopy(encoder), [PAIR], "concat-mlp")
    model = Model(encoder, [PAIR], {"pair": Beside(encoder.width, 1)}, max_length=32)
    of_encoder = [name for name in plainly.state_dict() if name.startswith("encoder.")]
    assert [name for name in model.state_dict() if name.startswith("encoder.")] == of_encoder
    assert len(list(model.parameters())) == len(list(model.encoder.parameters())) + 2
    assert model.pretrained is not None
    assert not any(parameter.requires_grad for parameter in model.pretrained.parameters())
    assert next(model.double().pretrained.parameters()).dtype == torch.float64, "it goes where the model goes"


def test_a_model_whose_heads_do_not_read_it_keeps_none(encoder: Encoder) -> None:
    assert building.model(encoder, [PAIR], "joint-cosine").pretrained is None
    assert Model(encoder, [ONE], {"one": Beside(encoder.width, 3)}, max_length=32).pretrained is None, "nor of one text"


def test_examples_that_stand_twice_in_a_batch_are_read_once(encoder: Encoder) -> None:
    model = Model(encoder, [PAIR], {"pair": Beside(encoder.width, 1)}, max_length=32)
    twice = model.tokenize("pair", SPLIT).batch([0, 1, 0, 1])
    passed: list[int] = []
    assert model.pretrained is not None
    model.pretrained.backbone.register_forward_hook(lambda _, __, out: passed.append(len(out.last_hidden_state)))
    (alone, _), (once, _) = model.encode(twice), model.encode(dataclasses.replace(twice, r_drop=1.0))
    assert passed == [8, 4]
    for one, other in zip(alone, once, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_tasks_of_the_same_texts_share_no_reading_where_different_encoders_read(encoder: Encoder) -> None:
    tasks = [PAIR, Task(name="other", kind=PAIR.kind, text=PAIR.text, label="y")]
    both = building.REGISTRY.part("head", "joint-cosine").build(width=encoder.width, outputs=1, inputs=3, task=tasks[1])
    model = Model(encoder, tasks, {"pair": Beside(encoder.width, 1), "other": both}, max_length=32)  # type: ignore[dict-item]
    pair, other = (model.tokenize(task.name, SPLIT) for task in tasks)
    assert not pair.reads_as(other)
    assert pair.reads_as(model.tokenize("pair", SPLIT))
    assert model.alike(["pair", "other"]) == [["pair"], ["other"]]


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_gradients_are_those_of_the_plain_way(packed: bool) -> None:
    model, data = make_model(), batches()
    model.heads[2] = Beside(16, 1).double()
    model.keep(copy.deepcopy(model.encoder))
    trained(model.encoder)
    (apart,), (joint,) = make_batch("para", 6, 9).readings, data["sts"][0].readings
    read = (dataclasses.replace(apart, pretrained=True), joint)
    data["sts"] = [dataclasses.replace(data["sts"][0], readings=read)]
    losses, rows, _ = plain(model, data)
    engine = Engine(model, building.combiner("sum", [task.name for task in TASKS]), packed=packed)
    outcome = engine.backward(data)
    torch.testing.assert_close(outcome.losses, losses)
    torch.testing.assert_close(encoder_gradient(model), rows.sum(dim=0))


@pytest.fixture(scope="module")
def run(tiny_encoder: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> mtk.Result:
    out = tmp_path_factory.mktemp("runs") / "run"
    heads = {"para": "pretrained-cosine", "sts": "pretrained-cosine"}
    return mtk.run(data=str(tiny_corpus), encoder=str(tiny_encoder), heads=heads, epochs=1, out=out, pooling="attention")


def weights(encoder: Encoder | None) -> dict[str, Tensor]:
    assert encoder is not None
    return encoder.backbone.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(values, other[name]) for name, values in one.items())


def test_it_is_saved_with_the_model_and_predicts_what_was_predicted(
    run: mtk.Result, tiny_encoder: Path, tiny_corpus: Path
) -> None:
    model = mtk.load(run.out, device="cpu")
    began = building.encoder(tiny_encoder)
    assert same(weights(model.pretrained), weights(began))
    assert not same(weights(model.encoder), weights(began))
    assert model.pretrained is not None
    assert model.pretrained.pooling.state_dict().keys() == model.encoder.pooling.state_dict().keys() != set()
    dev = building.read_tasks(tiny_corpus)["sts"].dev
    found = model.predict_split("sts", model.tokenize("sts", dev))
    lines = (run.out / "predictions" / "sts-dev-output.csv").read_text().splitlines()[1:]
    assert found.tolist() == pytest.approx([float(line.split(",")[1]) for line in lines], abs=1e-4)


def test_a_run_that_begins_with_another_keeps_what_that_one_kept(
    run: mtk.Result, tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    heads = {"sts": "pretrained-cosine"}
    how = {"data": str(tiny_corpus), "heads": heads, "epochs": 1, "steps": 1, "pooling": "attention", "seed": 5}
    after = mtk.load(mtk.run(from_run=str(run.out), out=tmp_path / "after", **how).out, device="cpu")  # type: ignore[arg-type]
    assert same(weights(after.pretrained), weights(building.encoder(tiny_encoder)))
    assert after.pretrained is not None
    kept = mtk.load(run.out, device="cpu").pretrained
    assert kept is not None
    assert same(after.pretrained.pooling.state_dict(), kept.pooling.state_dict())


def test_what_is_exported_has_one_encoder_and_says_so(run: mtk.Result) -> None:
    with pytest.raises(mtk.UsageError, match="Task 'sts': its head reads the encoder as it was before training"):
        Tail(mtk.load(run.out, device="cpu"), "sts")


def test_a_batch_of_it_is_a_batch_of_both_readings(encoder: Encoder) -> None:
    batch: Batch = Model(encoder, [PAIR], {"pair": Beside(encoder.width, 1)}, 32).tokenize("pair", SPLIT).batch([0, 1])
    assert [(r.sequences, r.pretrained) for r in batch.readings] == [(2, True), (1, False)]
