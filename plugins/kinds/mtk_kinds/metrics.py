"""The metrics of predictions, as scikit-learn and SciPy compute them. Predictions and labels are float tensors on the host,
[n] each where nothing else is said. The libraries are imported when a metric is computed, since a run begins without one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    """The share of predictions that are right."""
    return (predictions == labels).double().mean().item()


def most_frequent(labels: Tensor) -> tuple[float, float]:
    """The accuracy of whoever always says the most frequent label, and its standard error."""
    share = labels.unique(return_counts=True)[1].max().item() / len(labels)
    return share, math.sqrt(share * (1 - share) / len(labels))


def most_frequent_labels(labels: Tensor) -> tuple[float, float]:
    """The micro-F1 of whoever says the same labels of every example, the best ones of [n, k], and about its standard
    error."""
    holds = labels.double().sum(dim=0).sort(descending=True).values.tolist()
    said = range(1, len(holds) + 1)
    best = max((2 * sum(holds[:count]) / (count * len(labels) + sum(holds)) for count in said), default=0.0)
    return best, math.sqrt(best * (1 - best) / len(labels))


def f1(predictions: Tensor, labels: Tensor, average: Literal["binary", "macro", "micro"] = "binary") -> float:
    """The harmonic mean of precision and recall: of the class 1; the mean over the classes; or over all of [n, k] labels at
    once. 0 where it is not defined."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels.numpy(), predictions.numpy(), average=average, zero_division=0))


def quadratic_kappa(predictions: Tensor, labels: Tensor) -> float:
    """Cohen's kappa, a difference between classes counting by its square. 0 where everything is one class."""
    from sklearn.metrics import cohen_kappa_score

    if predictions.unique().numel() < 2 and labels.unique().numel() < 2:
        return 0.0
    return float(cohen_kappa_score(labels.long().numpy(), predictions.long().numpy(), weights="quadratic"))


def pearson(predictions: Tensor, labels: Tensor) -> float:
    """Pearson's correlation. That with a constant does not exist; it counts as 0."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, predictions, labels)


def spearman(predictions: Tensor, labels: Tensor) -> float:
    """Spearman's rank correlation. That with a constant does not exist; it counts as 0."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, predictions, labels)


def _correlation(function: object, predictions: Tensor, labels: Tensor) -> float:
    if predictions.unique().numel() < 2 or labels.unique().numel() < 2:
        return 0.0
    return float(function(predictions.double().numpy(), labels.double().numpy()).statistic)  # type: ignore[operator]
