"""How much each class counts in a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

if TYPE_CHECKING:
    from torch import Tensor

ClassWeights = Literal["balanced"] | Annotated[list[Annotated[float, Meta(ge=0)]], Meta(min_length=1)]
"""What `class_weights` takes: a weight for each label, in their order, or those that make all count alike."""

Smoothing = Annotated[float, Meta(ge=0, lt=1)]
"""What `label_smoothing` takes: the share of a label that is spread over all of them (Szegedy et al. 2016, section 7)."""


def check(weights: ClassWeights | None, labels: int) -> None:
    """Raises ValueError for a list of another length."""
    if isinstance(weights, list) and len(weights) != labels:
        raise ValueError(f"`class_weights` has {len(weights)} weights for {labels} labels")


def fitted(weights: ClassWeights | None, counts: Tensor) -> Tensor | None:
    """The weight of each class [k]. Balanced is n / (k · n_c) for a class that n_c of the n labels are, as scikit-learn has
    it; one that never comes counts as one that comes once."""
    if weights is None:
        return None
    if weights == "balanced":
        return counts.sum() / (len(counts) * counts.clamp_min(1))
    return counts.new_tensor(weights)
