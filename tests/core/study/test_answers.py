"""Answers are counted as scikit-learn counts them; a model that means what it says has no calibration error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from mtk.study.answers import calibration, confusion, is_classes, is_scores, misses
from mtk.training.development import Answers


def answers(labels: list[float], predictions: list[float], probabilities: list[list[float]] | None = None) -> Answers:
    likely = None if probabilities is None else np.array(probabilities, dtype=np.float64)
    return Answers([str(i) for i in range(len(labels))], np.array(labels, float), np.array(predictions, float), likely)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_confusions_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    labels, predictions = map(list, zip(*pairs, strict=True))
    found = confusion(answers(labels, predictions), 4)
    assert found.tolist() == confusion_matrix(labels, predictions, labels=range(4)).tolist()


def test_classes_and_scores_are_told_apart() -> None:
    classes, scores = answers([0, 2], [1, 2]), answers([0.5, 2], [1, 2])
    assert is_classes(classes, 3) and not is_classes(classes, 2) and not is_classes(scores, 3)
    several = Answers(["a"], np.zeros((1, 4)), np.zeros((1, 4)))
    assert is_scores(scores) and not is_scores(several) and not is_classes(several, 2)
    assert misses(several, 5) == [] and calibration(several) is None


def test_a_model_that_means_what_it_says_has_no_error() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 20_000)
    labels = (rng.uniform(size=sure.size) > sure).astype(float)  # 0, the answer, is right with the probability that it has
    found = calibration(answers(labels.tolist(), [0.0] * sure.size, np.stack([sure, 1 - sure], axis=1).tolist()))
    assert found and found.error < 0.02 and abs(found.excess) < 3 * found.noise and found.rows == 20_000


def test_one_that_is_always_sure_is_off_by_as_much_as_it_errs() -> None:
    found = calibration(answers([0, 0, 1, 1], [0, 0, 0, 1], [[1, 0], [1, 0], [1, 0], [0, 1]]))
    assert found and found.error == found.excess == pytest.approx(0.25)
    assert [(b.rows, b.confidence, b.accuracy) for b in found.bins] == [(4, 1.0, 0.75)]


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=60))
def test_bins_hold_every_answer_once(told: list[tuple[float, bool]]) -> None:
    labels = [0.0 if right else 1.0 for _, right in told]
    found = calibration(answers(labels, [0.0] * len(told), [[sure, 1 - sure] for sure, _ in told]))
    assert found and sum(b.rows for b in found.bins) == len(told)
    assert 0 <= found.error <= 1 and found.error >= abs(found.excess) - 1e-9


def test_scores_have_no_calibration() -> None:
    assert calibration(answers([1.5], [2.5])) is None


def test_the_worst_come_first_and_right_ones_never() -> None:
    found = misses(answers([0, 1, 0], [1, 1, 1], [[0.4, 0.6], [0.0, 1.0], [0.1, 0.9]]), 5)
    assert [(m.row, m.label, m.prediction, m.distance) for m in found] == [(2, 0, 1, 0.9), (0, 0, 1, 0.6)]
    assert [m.row for m in misses(answers([1.0, 2.0, 3.0], [1.0, 4.0, 2.5]), 1)] == [1]
