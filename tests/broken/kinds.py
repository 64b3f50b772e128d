"""For each promise of a kind one that breaks it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import mtk


class Kind(mtk.Kind):
    """Keeps every promise. Those below differ in one thing."""

    metric_names = ("accuracy",)

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__(labels)
        self.outputs = len(labels)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        return cross_entropy(logits, labels.long())

    def predict(self, logits: Tensor) -> Tensor:  # type: ignore[override]
        return logits.argmax(dim=-1).float()

    def probabilities(self, logits: Tensor) -> Tensor:  # type: ignore[override]
        return logits.softmax(dim=-1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:  # type: ignore[override]
        return {"accuracy": (predictions == labels).double().mean().item()}


class WritesNumbers(Kind):
    def value(self, prediction: float) -> Any:
        return self.labels[-1 - int(prediction)]


class ReadsAnything(Kind):
    def read_label(self, label: str | list[str]) -> float:
        return self.number_of(label) if label in self.labels else 0.0


class SumsLogarithms(Kind):
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        likely = logits.softmax(dim=-1)[torch.arange(len(labels)), labels.long()]
        return -likely.log().mean()  # which is infinite for logits that are far apart


class LearnsTheNext(Kind):
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        return cross_entropy(logits, (labels.long() + 1) % self.outputs)


class CountsErrors(Kind):
    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:  # type: ignore[override]
        return {"accuracy": (predictions != labels).double().mean().item()}


class GivesLogits(Kind):
    def probabilities(self, logits: Tensor) -> Tensor:  # type: ignore[override]
        return logits


class SortsItsAnswers(Kind):
    def predict(self, logits: Tensor) -> Tensor:  # type: ignore[override]
        return logits.argmax(dim=-1).float().sort().values


class ComparesOneWay(Kind):
    def divergence(self, logits: Tensor, others: Tensor) -> Tensor:  # type: ignore[override]
        p = logits.softmax(dim=-1)
        return (p * (logits.log_softmax(dim=-1) - others.log_softmax(dim=-1))).sum(dim=-1).mean()


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (Kind, set()),
    (WritesNumbers, {"written-labels"}),
    (ReadsAnything, {"strange-label"}),
    (SumsLogarithms, {"loss"}),
    (LearnsTheNext, {"learning"}),
    (CountsErrors, {"metrics"}),
    (GivesLogits, {"probabilities"}),
    (ComparesOneWay, {"divergence"}),
    (SortsItsAnswers, {"order", "learning"}),
]
