from __future__ import annotations

from typing import TYPE_CHECKING

from mtk_kinds.metrics import accuracy, f1, most_frequent
from mtk_kinds.weights import Weighed

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Weighed):
    """One of k labels: cross-entropy; the likeliest label; accuracy, with macro-F1 beside it.

    Options: `class_weights`, "balanced" or a weight for each label; `label_smoothing`.
    """

    metric_names = ("accuracy", "macro_f1")

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, labels.long(), self._weight(logits), label_smoothing=self.label_smoothing)

    def predict(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=-1).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=-1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {"accuracy": accuracy(predictions, labels), "macro_f1": f1(predictions, labels, "macro")}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the most frequent label."""
        return most_frequent(labels)
