from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import mtk
from mtk_kinds.metrics import f1, most_frequent
from mtk_kinds.weights import ClassWeights, Smoothing, Weighed

if TYPE_CHECKING:
    from torch import Tensor


class Tokens(Weighed):
    """One of k labels for each word of a text, a word being what stands between white space: cross-entropy over the
    words; the likeliest label; for spans (every label O, or one with a prefix such as B- and I-) the F1, precision and
    recall of whole spans as seqeval counts them, with the accuracy of words beside it; for other labels accuracy and
    macro-F1.

    A word is read at the first of its word pieces. One that was cut off for being beyond --max-length is predicted to be O,
    or the first label. A file has as many labels as words, with white space between them or in a list.

    Options: `class_weights`, "balanced" or a weight for each label; `label_smoothing`.
    """

    level = "token"

    def __init__(
        self,
        labels: tuple[str, ...],
        *,
        class_weights: ClassWeights | None = None,
        label_smoothing: Smoothing = 0.0,
    ) -> None:
        super().__init__(labels, class_weights=class_weights, label_smoothing=label_smoothing)
        if unfit := [label for label in labels if len(label.split()) != 1]:
            raise ValueError(f"the label '{unfit[0]}' holds white space, which stands between the labels of words")
        self.unread = float(labels.index("O")) if "O" in labels else 0.0
        self._of_spans = "O" in labels and all(label == "O" or re.match("[BIESLU]-.", label) for label in labels)
        if self._of_spans:
            _import_seqeval()
        self.metric_names = ("f1", "precision", "recall", "accuracy") if self._of_spans else ("accuracy", "macro_f1")

    def loss(self, logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        weight = self._weight(logits)
        wanted = labels.where(mask, 0).long().masked_fill(~mask, -100).flatten()
        losses = cross_entropy(
            logits.flatten(0, 1), wanted, weight, label_smoothing=self.label_smoothing, reduction="sum", ignore_index=-100
        )
        each = mask.to(logits.dtype) if weight is None else weight[labels.where(mask, 0).long()] * mask
        return losses / each.sum().clamp_min(1e-12)

    def predict(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=-1).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=-1)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        there = ~labels.isnan()
        right = predictions[there] == labels[there]
        accuracy = right.double().mean().item()
        if not self._of_spans:
            return {"accuracy": accuracy, "macro_f1": f1(predictions[there], labels[there], "macro")}
        scores = _import_seqeval()
        wanted, found = (
            [self.value(row[kept].tolist()) for row, kept in zip(numbers, there, strict=True)]
            for numbers in (labels, predictions)
        )
        return {name: float(score(wanted, found, zero_division=0)) for name, score in scores.items()} | {
            "accuracy": accuracy
        }

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the most frequent label, which finds no span."""
        return (0.0, 0.0) if self._of_spans else most_frequent(labels[~labels.isnan()])

    def read_label(self, label: str | list[str]) -> list[float]:
        return [self.number_of(each) for each in (label.split() if isinstance(label, str) else label)]

    def value(self, prediction: list[float]) -> list[str]:
        return [self.labels[int(number)] for number in prediction]


def _import_seqeval() -> dict[str, Any]:
    try:
        from seqeval.metrics import f1_score, precision_score, recall_score
    except ImportError:
        raise mtk.UsageError(
            "Spans are scored by seqeval, which comes with an extra: pip install 'multitask-toolkit[tokens]'"
        ) from None
    return {"f1": f1_score, "precision": precision_score, "recall": recall_score}
