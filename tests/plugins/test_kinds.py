"""A kind decides outputs, loss, prediction, metrics, and how a label is read and written; the five agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kinds import Binary, Classification, Regression, make
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from mtk.kind import Kind

KINDS: list[Kind] = [Classification(("bad", "fine", "good")), Binary(), Binary(("no", "yes")), Regression(-1, 4)]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def some_labels(kind: Kind, count: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if kind.range:
        return kind.low + (kind.high - kind.low) * (0.1 + 0.8 * torch.rand(count, generator=generator))
    return torch.randint(len(kind.labels), (count,), generator=generator).float()


@every_kind
def test_training_on_a_loss_leads_to_the_labels(kind: Kind) -> None:
    labels, logits = some_labels(kind), torch.zeros(40, kind.outputs, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = kind.loss(logits, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    torch.testing.assert_close(kind.predict(logits.detach()), labels, atol=0.05, rtol=0)
    metrics = kind.metrics(kind.predict(logits.detach()), labels)
    assert min(metrics.values()) > 0.98


@every_kind
def test_what_is_written_is_what_was_read(kind: Kind) -> None:
    for text in ("-1", "0.5", "4") if kind.range else kind.labels:
        label = kind.read_label(text)
        written = kind.value(label)
        assert kind.read_label(str(written)) == label
        assert kind.range or written == text


@every_kind
@pytest.mark.parametrize("text", ["", "maybe", "7", "-3", "nan", "inf"])
def test_another_label_is_refused_as_it_stands(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is "):
        kind.read_label(text)


def test_a_number_is_read_however_it_is_written() -> None:
    assert Classification(("1", "2", "3")).read_label("2.0") == 1
    assert Binary().read_label("1.00") == 1
    assert Regression(0, 5).read_label("3.20") == pytest.approx(3.2)


def test_losses_are_torchs() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3), torch.tensor([0.0, 1, 2, 0, 1, 2])
    assert torch.equal(KINDS[0].loss(logits, labels), F.cross_entropy(logits, labels.long()))
    one = logits[:, :1]
    wanted = F.binary_cross_entropy(one[:, 0].sigmoid(), labels.clamp_max(1))
    torch.testing.assert_close(Binary().loss(one, labels.clamp_max(1)), wanted)
    assert torch.allclose(Regression(-1, 4).loss(one, labels), (-1 + 5 * one[:, 0].sigmoid() - labels).square().mean())


def test_a_score_stays_in_its_range() -> None:
    scores = Regression(-1, 4).predict(torch.tensor([[-1e6], [0.0], [1e6]]))
    assert scores.tolist() == [-1, 1.5, 4]
    assert not math.isnan(Regression(-1, 4).loss(torch.tensor([[1e6]]), torch.tensor([-1.0])).item())


def test_a_kind_says_what_it_is() -> None:
    assert list(map(str, KINDS)) == ["classification(3)", "binary", "binary", "regression(-1, 4)"]


SKEWED = torch.tensor([0.0, 0, 0, 0, 0, 1, 1, 2])


def test_balanced_weights_are_scikit_learns() -> None:
    wanted = torch.tensor(compute_class_weight("balanced", classes=np.arange(3), y=SKEWED.long().numpy())).float()
    kind = Classification(("a", "b", "c"), class_weights="balanced")
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    kind.fit(SKEWED)
    torch.testing.assert_close(kind.loss(logits, SKEWED), F.cross_entropy(logits, SKEWED.long(), wanted))
    given = Classification(("a", "b", "c"), class_weights=wanted.tolist())
    given.fit(SKEWED)
    torch.testing.assert_close(given.loss(logits, SKEWED), kind.loss(logits, SKEWED))


def test_two_classes_are_weighed_as_many_are() -> None:
    """Binary cross-entropy with weights is the cross-entropy of the logits 0 and x with the same."""
    labels, score = SKEWED.clamp_max(1), torch.randn(8, 1, generator=torch.Generator().manual_seed(0))
    both = torch.cat([torch.zeros_like(score), score], dim=1)
    for options in ({"class_weights": "balanced"}, {"label_smoothing": 0.2}, {"class_weights": [1.0, 3.0]}):
        binary, several = Binary(**options), Classification(("0", "1"), **options)
        for kind in (binary, several):
            kind.fit(labels)
        torch.testing.assert_close(binary.loss(score, labels), several.loss(both, labels))


def test_labels_of_words_are_weighed_as_labels_of_texts() -> None:
    """Over the words that there are; what stands beside them changes nothing."""
    mask = torch.tensor([[True, True, True], [True, False, False]])
    labels = torch.tensor([[0.0, 1, 0], [0, torch.nan, torch.nan]])
    logits = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))
    words, texts = make("tokens", ("x", "y"), class_weights="balanced"), Classification(("x", "y"), class_weights="balanced")
    words.fit(labels)
    texts.fit(labels[mask])
    torch.testing.assert_close(words.loss(logits, labels, mask), texts.loss(logits[mask], labels[mask]))


def test_a_label_that_holds_weighs_as_often_as_it_does_not() -> None:
    kind = make("multilabel", ("a", "b"), class_weights="balanced")
    labels = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 1]])
    kind.fit(labels)
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    wanted = F.binary_cross_entropy_with_logits(logits, labels, pos_weight=torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(kind.loss(logits, labels), wanted)


NONE = torch.nan
CONSTANT = {  # kind, its labels, and all answers that are the same for every example
    "ordinal": (("low", "middle", "high"), SKEWED, [torch.full((8,), float(n)) for n in range(3)]),
    "multiple-choice": (("A", "B", "C"), SKEWED, [torch.full((8,), float(n)) for n in range(3)]),
    "tokens": (
        ("x", "y"),
        torch.tensor([[0.0, 1, 1], [0, 1, NONE], [0, NONE, NONE]]),
        [torch.full((3, 3), float(n)) for n in range(2)],
    ),
    "multilabel": (
        ("a", "b", "c"),
        torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        [torch.tensor([float(c) for c in f"{n:03b}"]).expand(5, 3) for n in range(8)],
    ),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_a_guess_is_the_best_answer_that_is_the_same_for_all(name: str) -> None:
    names, labels, answers = CONSTANT[name]
    kind = make(name, names)
    best = max(kind.metrics(answer, labels)[kind.metric_names[0]] for answer in answers)
    value, error = kind.guess(labels)
    assert value == pytest.approx(best)
    assert 0 < error < 0.5


def test_a_guess_of_spans_finds_none() -> None:
    pytest.importorskip("seqeval")
    kind, labels = make("tokens", ("O", "B-x", "I-x")), torch.tensor([[0.0, 1, 2], [1, 0, 0]])
    assert kind.guess(labels) == (kind.metrics(torch.zeros(2, 3), labels)["f1"], 0.0)


@pytest.mark.parametrize("cutoff", [None, 2])
def test_a_guess_of_an_order_is_one_drawn_at_random(cutoff: int | None) -> None:
    kind = make("ranking", cutoff=cutoff) if cutoff else make("ranking")
    labels = torch.tensor([[0.0, 1, 0, 0, 2], [1, 0, 0, NONE, NONE], [1, 1, NONE, NONE, NONE], [0, 0, NONE, NONE, NONE]])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([kind.metrics(torch.rand(4, 5, generator=generator), labels)["mrr"] for _ in range(1500)])
    value, error = kind.guess(labels)
    assert value == pytest.approx(drawn.mean().item(), abs=4 * error / 1500**0.5)
    assert error == pytest.approx(drawn.std().item(), rel=0.1)
