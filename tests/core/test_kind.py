"""The smallest kind does; what a kind does not say is as most are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import mtk


class Choice(mtk.Kind):
    metric_names = ("accuracy",)

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__(labels)
        self.outputs = len(labels)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        return torch.nn.functional.cross_entropy(logits, labels.long())

    def predict(self, logits: Tensor) -> Tensor:  # type: ignore[override]
        return logits.argmax(dim=-1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:  # type: ignore[override]
        return {"accuracy": (predictions == labels).double().mean().item()}


def test_labels_are_read_and_written_by_their_names() -> None:
    kind = Choice(("no", "2"))
    assert [kind.read_label(text) for text in ("no", "2", "2.0")] == [0, 1, 1]
    assert kind.written(kind.value(1.0)) == "2"
    with pytest.raises(ValueError, match="'yes' is none of the labels no, 2"):
        kind.read_label("yes")
    with pytest.raises(ValueError, match="of type list"):
        kind.read_label(["no"])


def test_kinds_are_equal_by_what_they_were_made_of() -> None:
    assert Choice(("a", "b")) == Choice(("a", "b")) != Choice(("b", "a"))
    assert str(Choice(("a", "b"))) == "choice(2)"
    assert len({Choice(("a", "b")), Choice(("a", "b"))}) == 1


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="'inf' is no number"):
        Choice(("a", "b")).finite("inf")
