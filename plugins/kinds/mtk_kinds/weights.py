"""How much each class counts in a loss, and how sure a label is taken to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

import mtk

if TYPE_CHECKING:
    from torch import Tensor

ClassWeights = Literal["balanced"] | Annotated[list[Annotated[float, Meta(ge=0)]], Meta(min_length=1)]
"""What `class_weights` takes: a weight for each label, in their order, or those that make all count alike."""

Smoothing = Annotated[float, Meta(ge=0, lt=1)]
"""What `label_smoothing` takes: the share of a label that is spread over all of them (Szegedy et al. 2016, section 7)."""


class Weighed(mtk.Kind):
    """One of k labels, each with a weight in the loss where the user asks for that."""

    def __init__(
        self,
        labels: tuple[str, ...],
        *,
        class_weights: ClassWeights | None = None,
        label_smoothing: Smoothing = 0.0,
    ) -> None:
        super().__init__(labels)
        if isinstance(class_weights, list) and len(class_weights) != len(labels):
            raise ValueError(f"`class_weights` has {len(class_weights)} weights for {len(labels)} labels")
        self.outputs = len(labels)
        self.class_weights, self.label_smoothing = class_weights, label_smoothing
        self._weights: Tensor | None = None

    def fit(self, labels: Tensor) -> None:
        """Balanced is n / (k · n_c) for a class that n_c of the n labels are, as scikit-learn has it; one that never comes
        counts as one that comes once."""
        if self.class_weights == "balanced":
            parts = (part[~part.isnan()].long() for part in labels.split(1 << 20))  # they may be more than memory holds
            counts = sum(part.bincount(minlength=len(self.labels)) for part in parts).float()
            self._weights = counts.sum() / (len(counts) * counts.clamp_min(1))
        elif self.class_weights is not None:
            self._weights = labels.new_tensor(self.class_weights)

    def _weight(self, logits: Tensor) -> Tensor | None:
        """The weight of each class, beside these logits."""
        return None if self._weights is None else self._weights.to(logits)

    def _smoothed(self, labels: Tensor) -> Tensor:
        """Labels of 0 and 1, a share of each spread over both."""
        return labels * (1 - self.label_smoothing) + self.label_smoothing / 2 if self.label_smoothing else labels
