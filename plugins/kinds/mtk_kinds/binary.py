from __future__ import annotations

from typing import TYPE_CHECKING

from mtk_kinds.metrics import accuracy, f1, most_frequent
from mtk_kinds.weights import ClassWeights, Smoothing, Weighed

if TYPE_CHECKING:
    from torch import Tensor


class Binary(Weighed):
    """No or yes, which are the labels 0 and 1 where no others are named: binary cross-entropy with logits; logit > 0;
    accuracy, with F1 beside it.

    Options: `class_weights`, "balanced" or the weights of no and of yes; `label_smoothing`.
    """

    metric_names = ("accuracy", "f1")

    def __init__(
        self,
        labels: tuple[str, ...] = ("0", "1"),
        *,
        class_weights: ClassWeights | None = None,
        label_smoothing: Smoothing = 0.0,
    ) -> None:
        if len(labels) != 2:
            raise ValueError(f"it has two labels, no and yes, and {len(labels)} are named")
        super().__init__(labels, class_weights=class_weights, label_smoothing=label_smoothing)
        self.outputs = 1

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        wanted, weight = self._smoothed(labels), self._weight(logits)
        if weight is None:
            return binary_cross_entropy_with_logits(logits.squeeze(-1), wanted)
        each = weight[labels.long()]
        losses = binary_cross_entropy_with_logits(logits.squeeze(-1), wanted, each, reduction="sum")
        return losses / each.sum()

    def predict(self, logits: Tensor) -> Tensor:
        return (logits.squeeze(-1) > 0).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        from torch import cat

        return cat([-logits, logits], dim=-1).sigmoid()  # no numbers of the host's, which a recorded step could not copy

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels), "f1": f1(predictions, labels)}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the most frequent label."""
        return most_frequent(labels)

    def __str__(self) -> str:
        return "binary"
