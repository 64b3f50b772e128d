from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mtk
from mtk_kinds.metrics import accuracy, quadratic_kappa, spearman

if TYPE_CHECKING:
    from torch import Tensor, nn


class Ordinal(mtk.Kind):
    """One of k labels in an order, `labels` from the lowest to the highest. A head gives one score s; k − 1 biases b_j,
    which are learned, make a logit s + b_j of each question whether the label is above the j-th; their binary
    cross-entropies are summed. What is predicted is the number of questions answered with yes. Cao, Mirjalili and Raschka
    2020, "Rank consistent ordinal regression for neural networks" (CORAL), equations 4 to 6 with equal weights. Quadratic
    kappa, with accuracy and Spearman beside it.
    """

    metric_names = ("quadratic_kappa", "accuracy", "spearman")

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__(labels)

    def layer(self) -> nn.Module:
        from mtk_kinds.biases import Biases

        return Biases(len(self.labels) - 1)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        above = (labels.unsqueeze(1) > torch.arange(logits.shape[1], device=labels.device)).to(logits.dtype)
        return binary_cross_entropy_with_logits(logits, above) * logits.shape[1]

    def predict(self, logits: Tensor) -> Tensor:
        return (logits > 0).sum(dim=1).float()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Differences of neighbouring answers. The biases fall at every minimum of the loss (theorem 1); where they do not
        yet, a difference below 0 counts as 0."""
        import torch

        above = logits.sigmoid()
        ends = (torch.ones_like(above[:, :1]), above, torch.zeros_like(above[:, :1]))
        each = (torch.cat(ends[:2], dim=1) - torch.cat(ends[1:], dim=1)).clamp_min(0)
        return each / each.sum(dim=1, keepdim=True)

    def metrics(self, predictions: Tensor, labels: Tensor) -> dict[str, float]:
        return {
            "quadratic_kappa": quadratic_kappa(predictions, labels),
            "accuracy": accuracy(predictions, labels),
            "spearman": spearman(predictions, labels),
        }

    def guess(self, labels: Tensor) -> tuple[float, float]:
        """No agreement beyond chance, which one answer has."""
        return 0.0, 1 / math.sqrt(len(labels))
