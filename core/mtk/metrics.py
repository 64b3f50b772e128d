"""The metrics of predictions, as scikit-learn and SciPy compute them. Predictions and labels are float tensors [n] on the
host. The libraries are imported when a metric is computed, since a run begins without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Metrics = dict[str, dict[str, float]]
"""task -> metric -> value. A task's first metric is its score."""


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    """The share of predictions that are right."""
    return (predictions == labels).double().mean().item()


def f1(predictions: Tensor, labels: Tensor) -> float:
    """The harmonic mean of precision and recall of the class 1; 0 where neither is defined."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels.tolist(), predictions.tolist(), zero_division=0))


def macro_f1(predictions: Tensor, labels: Tensor) -> float:
    """The mean over the classes of each one's F1."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels.tolist(), predictions.tolist(), average="macro", zero_division=0))


def pearson(predictions: Tensor, labels: Tensor) -> float:
    """Pearson's correlation. That with a constant does not exist; it counts as 0."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, predictions, labels)


def spearman(predictions: Tensor, labels: Tensor) -> float:
    """Spearman's rank correlation. That with a constant does not exist; it counts as 0."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, predictions, labels)


def average(metrics: Mapping[str, Mapping[str, float]]) -> float:
    """The mean of the tasks' scores, as the study's Table 1 has it."""
    scores = [next(iter(of_task.values())) for of_task in metrics.values()]
    return sum(scores) / len(scores)


def _correlation(function: object, predictions: Tensor, labels: Tensor) -> float:
    if predictions.unique().numel() < 2 or labels.unique().numel() < 2:
        return 0.0
    return float(function(predictions.double().numpy(), labels.double().numpy()).statistic)  # type: ignore[operator]
