from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mtk
from mtk_kinds import weights
from mtk_kinds.metrics import accuracy, f1

if TYPE_CHECKING:
    from torch import Tensor


class Classification(mtk.Kind):
    """One of k labels: cross-entropy; the likeliest label; accuracy, with macro-F1 beside it.

    Options: `class_weights`, "balanced" or a weight for each label; `label_smoothing`.
    """

    metric_names = ("accuracy", "macro_f1")

    def __init__(
        self,
        labels: tuple[str, ...],
        *,
        class_weights: weights.ClassWeights | None = None,
        label_smoothing: weights.Smoothing = 0.0,
    ) -> None:
        super().__init__(labels)
        weights.check(class_weights, len(labels))
        self.outputs = len(labels)
        self.class_weights, self.label_smoothing = class_weights, label_smoothing
        self._weights: Tensor | None = None

    def fit(self, labels: Tensor) -> None:
        counts = labels.long().bincount(minlength=self.outputs).float()
        self._weights = weights.fitted(self.class_weights, counts)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        weight = None if self._weights is None else self._weights.to(logits)
        return cross_entropy(logits, labels.long(), weight, label_smoothing=self.label_smoothing)

    def predict(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=-1).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=-1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels), "macro_f1": f1(predictions, labels, "macro")}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the most frequent label."""
        share = labels.unique(return_counts=True)[1].max().item() / len(labels)
        return share, math.sqrt(share * (1 - share) / len(labels))
