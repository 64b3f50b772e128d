"""The model calls a head as the contract says: with the readings it asks for, labels in training alone, and nothing else
passes for logits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import building
import pytest
import torch
from kinds import Binary, Classification, Regression
from torch import Tensor, nn

import mtk
from mtk.data.split import Split
from mtk.data.tokens import Batch
from mtk.events import Result
from mtk.head import Encoding, Head, PairEncoding
from mtk.model.encoder import Encoder
from mtk.model.multitask import Model, inputs_of
from mtk.task import Task

ONE = Task(name="one", kind=Classification(("0", "1", "2")), text=("a",), label="y")
TWO = Task(name="two", kind=Binary(), text=("a", "b"), label="y")
FIRST, SECOND = ["the dog is happy", "the cat"], ["a bird eats fish", "the horse was sad"]


class Remembers(Head):
    """Keeps what it was given."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.score = nn.Linear(32, outputs)
        self.given: dict[str, Any] = {}

    def forward(self, first: Encoding, **others: Any) -> Any:
        self.given = {**others, "first": first}
        return self.score(first.embedding)


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return building.encoder(tiny_encoder).eval()


def with_head(encoder: Encoder, task: Task, head: Head) -> tuple[Model, Batch]:
    """A model of one task, and a batch of two examples for it."""
    model = Model(encoder, [task], {task.name: head}, max_length=32).eval()
    split = Split(["0", "1"], (FIRST, SECOND)[: len(task.text)], [0.0, 1.0], Path("made here"))
    return model, model.tokenize(task.name, split).batch([0, 1])


def embedded(encoder: Encoder, *columns: list[str]) -> Tensor:
    """The embeddings of texts, or of pairs read as one sequence."""
    embedding: Tensor = encoder(dict(encoder.tokenizer(*columns, padding=True, return_tensors="pt"))).embedding
    return embedding


@pytest.mark.parametrize(
    ("way", "texts"),
    [
        ("joint", ["first"]),
        ("separate", ["first", "second"]),
        ("both", ["first", "second", "joint"]),
        ("pretrained", ["first", "second", "joint"]),
    ],
)
def test_a_head_gets_the_readings_that_it_asks_for(encoder: Encoder, way: PairEncoding, texts: list[str]) -> None:
    head = type("Asks", (Remembers,), {"pair_encoding": way})(1)
    model, batch = with_head(encoder, TWO, head)
    model("two", batch)
    assert [name for name in ("first", "second", "joint") if head.given[name] is not None] == texts
    assert inputs_of(way, pair=True) == len(texts)
    joint, first, second = embedded(encoder, FIRST, SECOND), embedded(encoder, FIRST), embedded(encoder, SECOND)
    wanted = {"first": joint if way == "joint" else first, "second": second, "joint": joint}
    for name in texts:
        torch.testing.assert_close(head.given[name].embedding, wanted[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("way", ["joint", "separate", "both", "pretrained"])
def test_a_single_text_is_first_alone(encoder: Encoder, way: PairEncoding) -> None:
    head = type("Asks", (Remembers,), {"pair_encoding": way})(3)
    model, batch = with_head(encoder, ONE, head)
    model("one", batch)
    torch.testing.assert_close(head.given["first"].embedding, embedded(encoder, FIRST), atol=1e-5, rtol=1e-4)
    assert (head.given["second"], head.given["joint"], inputs_of(way, pair=False)) == (None, None, 1)


def test_labels_are_given_in_training_and_not_in_a_prediction(encoder: Encoder) -> None:
    head = Remembers(3)
    model, batch = with_head(encoder, ONE, head)
    model.loss("one", batch)
    assert head.given["labels"].tolist() == [0, 1]
    model("one", batch)
    assert head.given["labels"] is None


def test_losses_of_its_own_are_added_and_told_by_name(encoder: Encoder) -> None:
    class Own(Remembers):
        def forward(self, first: Encoding) -> Any:
            logits = self.score(first.embedding)
            return logits, {"small": self.score.weight.square().sum(), "constant": logits.new_tensor(2.0)}

    head = Own(3)
    model, batch = with_head(encoder, ONE, head)
    loss, logits = model.loss("one", batch), model("one", batch)
    assert loss.own.keys() == {"small", "constant"}
    assert not any(value.requires_grad for value in loss.own.values())
    plain = ONE.kind.loss(logits, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(loss.total, plain + head.score.weight.square().sum() + 2)
    (gradient,) = torch.autograd.grad(loss.total - plain, head.score.weight)
    torch.testing.assert_close(gradient, 2 * head.score.weight, atol=1e-5, rtol=1e-4)


WRONG: list[tuple[Callable[[Tensor], Any], str]] = [
    (lambda x: x[:1], r"promises a tensor \[2, 3\] on cpu, and gave \[1, 3\]"),
    (lambda x: x.tolist(), "and gave list"),
    (lambda x: (x,), "and gave a tuple of Tensor"),
    (lambda x: (x, x.sum()), "and gave a tuple of Tensor, Tensor"),
    (lambda x: (x, {"own": x}), r"promises a tensor \[\] on cpu, and gave \[2, 3\]"),
    (lambda x: (x, {"own": 1.0}), "and gave float"),
    (lambda x: (x, {1: x.sum()}), "promises logits, or a pair of logits and losses by name"),
    (lambda x: x @ x, "its forward failed: RuntimeError"),
]


@pytest.mark.parametrize(("give", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_no_logits_is_named_with_the_head(encoder: Encoder, give: Callable[[Tensor], Any], message: str) -> None:
    class Wrong(Remembers):
        def forward(self, first: Encoding) -> Any:
            return give(self.score(first.embedding))

    model, batch = with_head(encoder, ONE, Wrong(3))
    with pytest.raises(mtk.UsageError, match=rf"Wrong is broken: .*{message}"):
        model.loss("one", batch)


def test_in_bf16_logits_and_losses_come_in_the_precision_of_the_weights(encoder: Encoder) -> None:
    model, batch = with_head(encoder, ONE, Remembers(3))
    exact = model("one", batch)
    model.autocast = torch.bfloat16
    cast = model("one", batch)
    assert cast.dtype == model.loss("one", batch).total.dtype == torch.float32
    assert not torch.equal(cast, exact)
    torch.testing.assert_close(cast, exact, atol=0.05, rtol=0.05)


def test_a_task_may_have_any_name(encoder: Encoder) -> None:
    tasks = [Task(name=name, kind=Regression(0, 1), text=("a",), label="y") for name in ("keys", "type", "forward", "a-b")]
    model = Model(encoder, tasks, {task.name: Remembers(1) for task in tasks}, 32)
    assert [model.head(task.name) for task in tasks] == list(model.heads)


def test_a_pair_task_wants_pairs_and_a_known_task(finished: Result) -> None:
    model = mtk.load(finished.out, device="cpu")
    assert len(model.predict("sts", [("the dog eats bread", "the cat eats fish")])) == 1
    with pytest.raises(mtk.UsageError, match="pairs"):
        model.predict("sts", ["the dog eats bread"])
    with pytest.raises(mtk.UsageError, match="single"):
        model.predict("sst", [("a", "b")])
    with pytest.raises(mtk.UsageError, match="sts"):
        model.predict("stss", ["a"])


def test_predictions_do_not_depend_on_the_batch(finished: Result) -> None:
    model = mtk.load(finished.out, device="cpu")
    pairs = [("the dog eats bread", "the cat eats fish" * n) for n in range(1, 8)]
    together = model.predict("sts", pairs)
    alone = [model.predict("sts", [pair])[0] for pair in pairs]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone), atol=1e-4, rtol=1e-4)


def test_a_batch_of_a_prediction_has_a_bounded_number_of_tokens(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the dog is happy" + " and sad" * (i % 12) for i in range(40)]
    pairs = [(text, "a cat") for text in texts]
    model = building.model(encoder, [ONE, TWO], {"one": "linear", "two": "cosine"}).eval()
    whole = [model.predict("one", texts, probabilities=True), model.predict("two", pairs, probabilities=True)]
    sizes: list[int] = []
    handle = model.encoder.register_forward_hook(lambda *given: sizes.append(given[1][0]["input_ids"].numel()))
    most = 100 * torch.get_num_threads()
    monkeypatch.setattr("mtk.model.multitask.EVALUATION_TOKENS", 100)
    parts = [model.predict("one", texts, probabilities=True), model.predict("two", pairs, probabilities=True)]
    handle.remove()
    assert max(sizes) <= most
    for one, other in zip(chain(*whole), chain(*parts), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
