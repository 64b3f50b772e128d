"""A task and its kind. The kind decides the number of logits, the loss, the prediction and the metric, so that every
head works with every kind.

Labels and predictions are float tensors [n] everywhere: the index of the class, 0 or 1, or the score itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from mtk.file_form import FileForm
from mtk.metrics import accuracy, f1, macro_f1, pearson, spearman

if TYPE_CHECKING:
    from torch import Tensor


class Classification(msgspec.Struct, frozen=True, tag_field="kind", tag="classification"):
    """One of k labels: cross-entropy; the likeliest label; accuracy, with macro-F1 beside it."""

    labels: tuple[str, ...]

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits [n, k], labels [n] -> mean loss []."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, labels.long())

    def predict(self, logits: Tensor) -> Tensor:
        """logits [n, k] -> class indices [n]."""
        return logits.argmax(dim=-1).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        """logits [n, k] -> the probability of each label [n, k]."""
        return logits.softmax(dim=-1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels), "macro_f1": macro_f1(predictions, labels)}

    def read_label(self, text: str) -> float:
        """A label as it stands in a file -> its index. Raises ValueError."""
        return _index(text, self.labels)

    def value(self, prediction: float) -> str:
        """The label that a prediction means."""
        return self.labels[int(prediction)]

    def __str__(self) -> str:
        return f"classification({len(self.labels)})"


class Binary(msgspec.Struct, frozen=True, tag_field="kind", tag="binary"):
    """Yes or no: binary cross-entropy with logits; logit > 0; accuracy, with F1 beside it."""

    labels: tuple[str, str] = ("0", "1")  # no, yes

    @property
    def outputs(self) -> int:
        return 1

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits [n, 1], labels [n] -> mean loss []."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits.squeeze(-1), labels)

    def predict(self, logits: Tensor) -> Tensor:
        """logits [n, 1] -> 0 or 1 [n]."""
        return (logits.squeeze(-1) > 0).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        """logits [n, 1] -> the probability of no and of yes [n, 2]."""
        return (logits * logits.new_tensor([-1.0, 1.0])).sigmoid()

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels), "f1": f1(predictions, labels)}

    def read_label(self, text: str) -> float:
        """A label as it stands in a file -> 0 or 1. Raises ValueError."""
        return _index(text, self.labels)

    def value(self, prediction: float) -> str:
        """The label that a prediction means."""
        return self.labels[int(prediction)]

    def __str__(self) -> str:
        return "binary"


class Regression(msgspec.Struct, frozen=True, tag_field="kind", tag="regression"):
    """A score from `low` to `high`: low + (high − low)·sigmoid(logit), its squared error; Pearson, with Spearman beside
    it."""

    low: float
    high: float

    @property
    def outputs(self) -> int:
        return 1

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits [n, 1], labels [n] -> mean loss []."""
        from torch.nn.functional import mse_loss

        return mse_loss(self.predict(logits), labels)

    def predict(self, logits: Tensor) -> Tensor:
        """logits [n, 1] -> scores [n]."""
        return self.low + (self.high - self.low) * logits.squeeze(-1).sigmoid()

    def probabilities(self, logits: Tensor) -> None:
        """A score has none."""

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"pearson": pearson(predictions, labels), "spearman": spearman(predictions, labels)}

    def read_label(self, text: str) -> float:
        """A label as it stands in a file -> the score. Raises ValueError."""
        number = _number(text)
        if number is None or not self.low <= number <= self.high:
            raise ValueError(f"'{text}' is no number from {self.low:g} to {self.high:g}")
        return number

    def value(self, prediction: float) -> float:
        """The score itself."""
        return prediction

    def __str__(self) -> str:
        return f"regression({self.low:g}, {self.high:g})"


Kind: TypeAlias = Classification | Binary | Regression


class Task(FileForm, frozen=True, kw_only=True):
    """What a model must know of a task to predict it, and a file must have to be read for it: its columns, and the form that
    the task's files have. A head that names `task` in its constructor is given this."""

    name: str
    kind: Kind
    text: tuple[str, ...]  # the columns of the texts: one, or two for a pair
    label: str  # the column of the label
    id: str | None = None  # the column of the ids; rows are numbered where there is none
    prediction: str | None = None  # what the course CS224N calls it in the files that a run writes as the course reads them

    @property
    def pair(self) -> bool:
        return len(self.text) == 2

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels as texts, in the order of the classes; none for a score."""
        return () if isinstance(self.kind, Regression) else self.kind.labels


def _index(text: str, labels: tuple[str, ...]) -> float:
    if text in labels:
        return float(labels.index(text))
    number = _number(text)
    for index, label in enumerate(labels):  # 3 is 3.0, as other programs write it
        if number is not None and _number(label) == number:
            return float(index)
    raise ValueError(f"'{text}' is none of the labels {', '.join(labels)}")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None  # 1_0 is ten in Python alone
