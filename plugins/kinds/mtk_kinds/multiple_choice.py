from __future__ import annotations

from typing import TYPE_CHECKING

import mtk
from mtk_kinds.metrics import accuracy, most_frequent

if TYPE_CHECKING:
    from torch import Tensor


class MultipleChoice(mtk.Kind):
    """The right one of several candidates: the softmax over their scores, cross-entropy; the highest score; accuracy.

    A label is the number of the right candidate, counted from 0, or its name where `labels` names the candidates in their
    order: `labels = ["A", "B", "C", "D"]`. Or it is a list, or a column of the rows of a `group`, with a 1 for the right
    candidate and a 0 for each other.
    """

    candidates = True
    metric_names = ("accuracy",)

    def __init__(self, labels: tuple[str, ...] | None = None) -> None:
        super().__init__(labels)

    def loss(self, logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(_scores(logits, mask), labels.long())

    def predict(self, logits: Tensor, mask: Tensor) -> Tensor:
        return _scores(logits, mask).argmax(dim=1).float()

    def probabilities(self, logits: Tensor, mask: Tensor) -> Tensor:
        return _scores(logits, mask).softmax(dim=1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels)}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the place where the right candidate stands most often."""
        return most_frequent(labels)

    def read_label(self, label: str | list[str]) -> float:
        if isinstance(label, list):
            right = [number for number, text in enumerate(label) if self.finite(text) == 1]
            if len(right) != 1:
                raise ValueError(f"{len(right)} of {len(label)} candidates are labelled 1, and one is the right one")
            return float(right[0])
        if self.labels:
            return self.number_of(label)
        number = self.finite(label)
        if number < 0 or number % 1:
            raise ValueError(f"'{label}' is no number of a candidate, of which the first is 0; `labels` gives them names")
        return number

    def value(self, prediction: float) -> str:
        return self.labels[int(prediction)] if self.labels else str(int(prediction))

    def __str__(self) -> str:
        return "multiple-choice"


def _scores(logits: Tensor, mask: Tensor) -> Tensor:
    return logits.squeeze(-1).float().masked_fill(~mask, float("-inf"))
