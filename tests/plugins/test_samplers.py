"""Samplers: the shares that the papers say, whole numbers that add up, and nobody alone."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from building import REGISTRY

from mtk.sampler import Sampler
from mtk.training.sampling import Sampling

SIZES = {"para": 14_000, "sst": 800, "sts": 200}
EPOCHS = 5


def build(text: str) -> Sampler:
    sampler: Sampler = REGISTRY.part("sampler", text).build()
    return sampler


def mean_shares(
    text: str, epoch: int, sizes: dict[str, int] = SIZES, total: int = 48, draws: int = 3000
) -> dict[str, float]:
    sampling = Sampling(build(text), sizes, dict.fromkeys(sizes, 16), total, seed=0)
    counts: Counter[str] = Counter()
    for step in range(draws):
        drawn = sampling.examples(list(sizes), step, draws, epoch, EPOCHS)
        assert sum(drawn.values()) == total
        assert 1 not in drawn.values()
        counts.update(drawn)
    return {task: counts[task] / (draws * total) for task in sizes}


def powers(alpha: float) -> dict[str, float]:
    total = sum(size**alpha for size in SIZES.values())
    return {task: size**alpha / total for task, size in SIZES.items()}


@pytest.mark.parametrize(
    ("text", "epoch", "alpha"),
    [
        ("equal", 1, 0.0),
        ("proportional", 1, 1.0),
        ("square-root", 3, 0.5),
        ("temperature:t=4", 1, 0.25),
        ("temperature:limit=1", 1, 0.0),
        ("annealed", 1, 1.0),
        ("annealed", 3, 0.6),  # 1 - 0.8·2/4
        ("annealed", 5, 0.2),
        ("annealed:fall=1", 5, 0.0),
    ],
)
def test_the_mean_share_is_the_papers(text: str, epoch: int, alpha: float) -> None:
    assert mean_shares(text, epoch) == pytest.approx(powers(alpha), abs=0.006)


def test_in_a_single_epoch_annealing_goes_by_step() -> None:
    sampling = Sampling(build("annealed"), SIZES, dict.fromkeys(SIZES, 16), None, seed=0)
    first = sampling.examples(list(SIZES), 0, 1000, 1, 1).get("sts", 0)
    last = [sampling.examples(list(SIZES), step, 1000, 1, 1)["sts"] for step in range(900, 1000)]
    assert first <= 2 < sum(last) / len(last)


@pytest.mark.parametrize("sizes", [{"a": 7, "b": 16, "c": 1}, {"a": 1, "b": 1, "c": 1}])
def test_equal_is_the_batch_sizes_whatever_they_are(sizes: dict[str, int]) -> None:
    sampling = Sampling(build("equal"), dict.fromkeys(sizes, 100), sizes, None, seed=0)
    assert all(sampling.examples(list(sizes), step, 9, 1, 1) == sizes for step in range(9))
    assert all(Sampler.share(sum(sizes.values()), sizes, Random(seed)) == sizes for seed in range(99))
