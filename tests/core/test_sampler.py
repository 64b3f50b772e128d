"""A step shared out: in whole numbers that add up, for nobody alone, whatever the order of the tasks."""

from __future__ import annotations

from random import Random

from mtk.sampler import Sampler

SIZES = {"para": 14_000, "sst": 800, "sts": 200}


def test_the_order_of_the_tasks_changes_nothing() -> None:
    turned = dict(reversed(SIZES.items()))
    for seed in range(50):
        assert Sampler.share(20, SIZES, Random(seed)) == Sampler.share(20, turned, Random(seed))


def test_nobody_is_alone_where_it_can_be_helped() -> None:
    rng = Random(0)
    for _ in range(5000):
        weights = {task: rng.random() + 0.01 for task in "abcde"[: rng.randint(2, 5)]}
        batch = rng.randint(4, 20)
        counts = Sampler.share(batch, weights, rng)
        assert sum(counts.values()) == batch
        assert min(counts.values()) >= 0
        assert 1 not in counts.values()
