from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from mtk_kinds.metrics import f1, most_frequent_labels
from mtk_kinds.weights import ClassWeights, Smoothing, Weighed

if TYPE_CHECKING:
    from torch import Tensor


class Multilabel(Weighed):
    """Any number of k labels, none included: binary cross-entropy for each; those with a logit > 0; micro-F1 over all of
    them, with macro-F1 and the share of examples whose labels are all right beside it.

    A file names the labels that hold, with a comma between them or in a list; an empty field says that none does. Or it
    has a column for each, of 0 and 1, when `label` lists the columns in the order of the labels.

    Options: `class_weights`, "balanced" or what a label that holds weighs, beside 1 for one that does not;
    `label_separator`, what stands between labels; `label_smoothing`.
    """

    metric_names = ("micro_f1", "macro_f1", "exact")
    may_be_empty = True

    def __init__(
        self,
        labels: tuple[str, ...],
        *,
        class_weights: ClassWeights | None = None,
        label_separator: Annotated[str, Meta(min_length=1)] = ",",
        label_smoothing: Smoothing = 0.0,
    ) -> None:
        super().__init__(labels, class_weights=class_weights, label_smoothing=label_smoothing)
        if unfit := [label for label in labels if label_separator in label]:
            raise ValueError(
                f"the label '{unfit[0]}' holds '{label_separator}', which `label_separator` says stands between"
            )
        self.label_separator = label_separator

    def fit(self, labels: Tensor) -> None:
        """Balanced is the number of examples without a label, over that with it."""
        holds = labels.float().sum(dim=0)
        if self.class_weights == "balanced":
            self._weights = (len(labels) - holds).clamp_min(1) / holds.clamp_min(1)
        elif self.class_weights is not None:
            self._weights = holds.new_tensor(self.class_weights)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits, self._smoothed(labels), pos_weight=self._weight(logits))

    def predict(self, logits: Tensor) -> Tensor:
        return (logits > 0).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def divergence(self, logits: Tensor, others: Tensor) -> Tensor:
        """Of each label by itself: it holds or does not, and that is p·log(p/q) + (1 − p)·log((1 − p)/(1 − q)), whose sum
        with its like the other way round is (p − q) times the difference of the logits."""
        return ((logits.sigmoid() - others.sigmoid()) * (logits - others)).mean() / 2

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        exact = (predictions == labels).all(dim=1).double().mean().item()
        micro, macro = (f1(predictions, labels, average) for average in ("micro", "macro"))
        return {"micro_f1": micro, "macro_f1": macro, "exact": exact}

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """That of the answer with the most frequent labels, as many of them as are best."""
        return most_frequent_labels(labels)

    def read_label(self, label: str | list[str]) -> list[float]:
        if isinstance(label, list) and len(label) == len(self.labels) and not set(label) - {"0", "1"}:
            return [float(holds) for holds in label]  # a column for each
        names = label if isinstance(label, list) else label.split(self.label_separator)
        holds = {self.number_of(name.strip()) for name in names if name.strip()}
        return [float(number in holds) for number in range(len(self.labels))]

    def value(self, prediction: list[float]) -> list[str]:
        return [label for label, holds in zip(self.labels, prediction, strict=True) if holds]

    def written(self, value: list[str]) -> str:
        return self.label_separator.join(value)
