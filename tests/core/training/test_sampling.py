"""What a sampler promises is held against what it gives, and a step depends on nothing but the seed and its number."""

from __future__ import annotations

from typing import Any

import pytest

import mtk
from mtk.training.sampling import Sampling

SIZES = {"a": 100, "b": 50}


def sampling(given: Any, total: int | None = None) -> Sampling:
    class Fixed(mtk.Sampler):
        def examples(self, sizes: Any) -> Any:
            return given(sizes) if callable(given) else given

    return Sampling(Fixed(), SIZES, {"a": 8, "b": 16}, total, seed=0)


@pytest.mark.parametrize("given", [None, {}, {"a": 0}, {"a": -1}, {"a": 2.5}, {"c": 3}, [4, 4]])
def test_what_it_may_not_give(given: Any) -> None:
    with pytest.raises(mtk.UsageError, match="its examples promises a whole number of examples for some of the tasks a, b"):
        sampling(given).examples(["a", "b"], 0, 10, 1, 1)


def test_tasks_without_examples_are_left_out_and_found_before() -> None:
    found = sampling({"b": 3, "a": 0})
    assert found.examples(["a", "b"], 0, 10, 1, 1) == {"b": 3}
    assert list(found.seen_together([("a", "b")], 10, 1)) == [("b",)]


def test_the_whole_step_is_shared_in_the_ratio_of_the_batch_sizes() -> None:
    assert sampling({"a": 1}).batch_sizes(["a", "b"]) == {"a": 8, "b": 16}
    assert sampling({"a": 1}, total=48).batch_sizes(["a", "b"]) == {"a": 16, "b": 32}
