"""Intervals hold the truth as often as they say; scores of all draws at once are those of the draws one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtk.study import resampling
from mtk.study.resampling import Interval, difference, interval, mean, resampled
from mtk.training.development import Answers

RNG = np.random.default_rng(3)


def answers(predictions: np.ndarray, labels: np.ndarray) -> Answers:
    return Answers([str(number) for number in range(len(labels))], labels.astype(float), predictions.astype(float))


@pytest.mark.parametrize("name", ["accuracy", "pearson", "f1", "macro_f1"])
def test_scores_of_weighted_examples_are_those_of_the_examples_as_often(name: str) -> None:
    score = name == "pearson"
    labels = RNG.normal(size=40) if score else RNG.integers(0, 2, 40).astype(float)
    predictions = labels + RNG.normal(size=40) if score else np.where(RNG.random(40) < 0.7, labels, 1 - labels)
    counts = resampling._counts(RNG, 40, 20)
    assert (counts.sum(axis=1) == 40).all()
    found = resampling._WEIGHTED[name](counts, predictions, labels)
    for value, row in zip(found, counts, strict=True):
        chosen = np.repeat(np.arange(40), row.astype(int))
        one, other = torch.from_numpy(predictions[chosen]), torch.from_numpy(labels[chosen])
        assert value == pytest.approx(_metric(name, one, other), abs=1e-9)


def _metric(name: str, predictions: torch.Tensor, labels: torch.Tensor) -> float:
    from mtk_kinds import metrics

    if name == "macro_f1":
        return metrics.f1(predictions, labels, "macro")
    found: float = getattr(metrics, name)(predictions, labels)
    return found


def test_a_metric_that_only_has_the_name_is_computed_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "DRAWS", 20)
    given = answers(np.ones(30), np.arange(30) % 2)
    found = resampled({"t": given}, {"t": ("accuracy", 0.9, lambda predictions, labels: 0.9)}, 0)
    assert (found == 0.9).all()
    assert found.shape == (2, 20)


def test_two_runs_are_drawn_alike_where_their_examples_are_the_same() -> None:
    labels = RNG.integers(0, 2, 200)
    right = answers(labels, labels)
    same = [resampled({"t": right}, {"t": ("accuracy", 1.0, _never)}, 0) for _ in range(2)]
    drawn, paired = difference({0: same[0]}, {0: same[1]})
    assert paired
    assert (drawn == 0).all()


def _never(predictions: object, labels: object) -> float:
    raise AssertionError


@pytest.mark.parametrize(("seeds", "noise"), [(1, 0.0), (3, 0.0), (3, 0.05), (6, 0.03)])
def test_an_interval_holds_a_known_difference(monkeypatch: pytest.MonkeyPatch, seeds: int, noise: float) -> None:
    """Of two models whose true difference is 0.1, with examples and seeds that vary: in 95 of 100, and in more with few
    seeds."""
    monkeypatch.setattr(resampling, "DRAWS", 300)
    rng, held, trials, count = np.random.default_rng(seeds), 0, 40, 200
    for trial in range(trials):
        rows: list[dict[int, np.ndarray]] = [{}, {}]
        scores: list[list[float]] = [[], []]
        hard = rng.random(count)  # an example is as hard for both
        for seed in range(seeds):
            shift = rng.normal(0, noise)
            for row, share in enumerate((0.8 + shift, 0.7)):
                right = (hard < share).astype(float)
                scores[row].append(right.mean())
                metric = {"t": ("accuracy", right.mean(), _never)}
                rows[row][seed] = resampled({"t": answers(right, np.ones(count))}, metric, trial)
        found = interval(np.mean(scores[0]) - np.mean(scores[1]), difference(rows[0], rows[1], trial)[0][0])
        held += found.low <= 0.1 <= found.high
    assert held >= 0.85 * trials


def test_seeds_alone_have_an_interval_that_holds() -> None:
    rng, held = np.random.default_rng(0), 0
    for trial in range(200):
        scores = rng.normal(0, 1, 3)
        drawn = mean({seed: np.full((1, 400), score) for seed, score in enumerate(scores)}, trial)
        found = interval(scores.mean(), drawn[0])
        held += found.low <= 0 <= found.high
    assert held / 200 >= 0.92


def test_an_interval_says_whether_it_excludes_zero() -> None:
    assert Interval(0.1, 0.05, 0.2).excludes_zero
    assert Interval(-0.1, -0.2, -0.05).excludes_zero
    assert not Interval(0.1, -0.05, 0.2).excludes_zero


def test_other_seeds_are_compared_without_pairs() -> None:
    one, other = ({seed: np.full((2, 10), 0.5) for seed in seeds} for seeds in ((0, 1), (2, 3)))
    drawn, paired = difference(one, other)
    assert not paired
    assert (drawn == 0).all()
