"""The metrics against their definitions, written out in NumPy, and what they are where nothing is defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from sklearn.metrics import accuracy_score
from torch import Tensor

from mtk_kinds.metrics import accuracy, f1, pearson, quadratic_kappa, spearman


def drawn(classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Predictions and labels that agree more often than not."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (200,), generator=generator)
    other = torch.randint(classes, (200,), generator=generator)
    return torch.where(torch.rand(200, generator=generator) < 0.6, labels, other).float(), labels.float()


def f1_of(predictions: np.ndarray, labels: np.ndarray, label: int) -> float:
    right = float(((predictions == label) & (labels == label)).sum())
    wrong = float(((predictions == label) ^ (labels == label)).sum())
    return 2 * right / (2 * right + wrong) if right + wrong else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_of_classes(seed: int) -> None:
    predictions, labels = drawn(4, seed)
    p, y = predictions.numpy(), labels.numpy()
    assert accuracy(predictions, labels) == pytest.approx(accuracy_score(y, p), abs=1e-8)
    assert f1(predictions, labels, "macro") == pytest.approx(np.mean([f1_of(p, y, c) for c in range(4)]), abs=1e-8)
    predictions, labels = drawn(2, seed)
    assert f1(predictions, labels) == pytest.approx(f1_of(predictions.numpy(), labels.numpy(), 1), abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_of_scores(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(6, (200,), generator=generator).float()  # with ties
    predictions = labels + torch.randn(200, generator=generator)
    p, y = predictions.double().numpy(), labels.double().numpy()
    assert pearson(predictions, labels) == pytest.approx(np.corrcoef(p, y)[0, 1], abs=1e-8)
    assert spearman(predictions, labels) == pytest.approx(np.corrcoef(rankdata(p), rankdata(y))[0, 1], abs=1e-8)


def test_where_nothing_is_defined_it_is_0_and_not_nan() -> None:
    constant, other = torch.ones(5), torch.arange(5.0)
    for metric in (pearson, spearman):
        assert metric(constant, other) == metric(other, constant) == metric(torch.ones(1), torch.ones(1)) == 0
    assert f1(torch.zeros(5), torch.zeros(5)) == 0


def test_a_perfect_prediction_is_1() -> None:
    labels = torch.tensor([0.0, 1, 1, 0, 1])
    assert all(metric(labels, labels) == pytest.approx(1) for metric in (accuracy, f1, quadratic_kappa, pearson, spearman))


def test_kappa_is_one_less_the_share_of_chance_that_is_left() -> None:
    """Cohen 1968: the weighted disagreement over that of independent raters with the same marginals."""
    predictions, labels = drawn(5, 0)
    p, y = predictions.long().numpy(), labels.long().numpy()
    seen = np.zeros((5, 5))
    np.add.at(seen, (y, p), 1 / len(y))
    weights = (np.arange(5)[:, None] - np.arange(5)) ** 2
    chance = np.outer(seen.sum(1), seen.sum(0))
    assert quadratic_kappa(predictions, labels) == pytest.approx(1 - (weights * seen).sum() / (weights * chance).sum())
    assert quadratic_kappa(torch.ones(5), torch.ones(5)) == 0
