"""A kind decides outputs, loss, prediction, metrics, and how a label is read and written; the five agree."""

from __future__ import annotations

import math

import pytest
import torch
from kinds import Binary, Classification, Regression
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
