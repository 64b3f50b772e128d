from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mtk
from mtk_kinds.metrics import pearson, spearman

if TYPE_CHECKING:
    from torch import Tensor


class Regression(mtk.Kind):
    """A score from a lowest to a highest, `range = [0, 5]`: low + (high − low)·sigmoid(logit), its squared error; Pearson,
    with Spearman beside it."""

    metric_names = ("pearson", "spearman")

    def __init__(self, range: tuple[float, float]) -> None:
        super().__init__(range=range)
        self.low, self.high = range

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import mse_loss

        return mse_loss(self.predict(logits), labels)

    def predict(self, logits: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * logits.squeeze(-1).sigmoid()

    def divergence(self, logits: Tensor, others: Tensor) -> Tensor:
        """The squared difference of the scores."""
        return (self.predict(logits) - self.predict(others)).square().mean()

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"pearson": pearson(predictions, labels), "spearman": spearman(predictions, labels)}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """No correlation."""
        return 0.0, 1 / math.sqrt(max(1, len(labels) - 1))

    def read_label(self, label: str | list[str]) -> float:
        try:
            number = self.finite(label)
        except ValueError:
            number = float("inf")
        if not self.low <= number <= self.high:
            raise ValueError(f"'{label}' is no number from {self.low:g} to {self.high:g}")
        return number

    def value(self, prediction: float) -> float:
        return prediction

    def __str__(self) -> str:
        return f"regression({self.low:g}, {self.high:g})"
