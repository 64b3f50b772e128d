from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mtk
from mtk_kinds import weights
from mtk_kinds.metrics import accuracy, f1

if TYPE_CHECKING:
    from torch import Tensor


class Binary(mtk.Kind):
    """No or yes, which are the labels 0 and 1 where no others are named: binary cross-entropy with logits; logit > 0;
    accuracy, with F1 beside it.

    Options: `class_weights`, "balanced" or the weights of no and of yes; `label_smoothing`.
    """

    metric_names = ("accuracy", "f1")

    def __init__(
        self,
        labels: tuple[str, ...] = ("0", "1"),
        *,
        class_weights: weights.ClassWeights | None = None,
        label_smoothing: weights.Smoothing = 0.0,
    ) -> None:
        super().__init__(labels)
        if len(labels) != 2:
            raise ValueError(f"it has two labels, no and yes, and {len(labels)} are named")
        weights.check(class_weights, 2)
        self.class_weights, self.label_smoothing = class_weights, label_smoothing
        self._weights: Tensor | None = None

    def fit(self, labels: Tensor) -> None:
        self._weights = weights.fitted(self.class_weights, labels.long().bincount(minlength=2).float())

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        wanted = labels * (1 - self.label_smoothing) + self.label_smoothing / 2 if self.label_smoothing else labels
        if self._weights is None:
            return binary_cross_entropy_with_logits(logits.squeeze(-1), wanted)
        each = self._weights.to(logits)[labels.long()]
        losses = binary_cross_entropy_with_logits(logits.squeeze(-1), wanted, each, reduction="sum")
        return losses / each.sum()

    def predict(self, logits: Tensor) -> Tensor:
        return (logits.squeeze(-1) > 0).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        return (logits * logits.new_tensor([-1.0, 1.0])).sigmoid()

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels), "f1": f1(predictions, labels)}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the most frequent label."""
        share = labels.unique(return_counts=True)[1].max().item() / len(labels)
        return share, math.sqrt(share * (1 - share) / len(labels))

    def __str__(self) -> str:
        return "binary"
