"""A split is columns of equal length; parts of it are drawn from all of it, and are the same for the same seed."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtk.data.split import Split

SPLIT = Split(["a", "b", "c"], (["1", "2", "3"], ["x", "y", "z"]), [0.0, 1.0, 2.0], Path("f.csv"), ["f.csv:4: short"])


def of(labels: list[float] | None, rows: int = 0) -> Split:
    ids = [str(i) for i in range(len(labels) if labels is not None else rows)]
    return Split(ids, (ids,), labels, Path("f.csv"))


@pytest.mark.parametrize("count", [None, 3, 4])
def test_a_sample_of_all_of_it_is_itself(count: int | None) -> None:
    assert SPLIT.sample(count, Random(0)) is SPLIT


def test_a_sample_keeps_rows_whole_and_their_order() -> None:
    samples = {tuple((part := SPLIT.sample(2, Random(seed))).ids) for seed in range(50)}
    assert samples == {("a", "b"), ("a", "c"), ("b", "c")}
    for first, second, label in zip(*part.texts, part.labels or [], strict=True):
        number = SPLIT.texts[0].index(first)
        assert (second, label) == (SPLIT.texts[1][number], (SPLIT.labels or [])[number])
    assert part.skipped == SPLIT.skipped
    assert of(None, rows=5).sample(2, Random(0)).labels is None


@given(
    labels=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=200),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_a_share_is_stratified_and_leaves_the_rest(labels: list[float], fraction: float, seed: int) -> None:
    rest, share = of(labels).share(fraction, Random(seed))
    assert sorted(rest.ids + share.ids) == sorted(of(labels).ids)
    assert len(share) == min(len(labels) - 1, max(1, round(fraction * len(labels))))
    for label, count in Counter(labels).items():
        expected = count * len(share) / len(labels)
        assert abs((share.labels or []).count(label) - expected) <= 1
    assert of(labels).share(fraction, Random(seed))[1] == share


def test_what_is_scored_has_a_label() -> None:
    scored = of([1.0, math.nan, 0.0]).labelled()
    assert scored is not None and (scored.ids, scored.labels) == (["0", "2"], [1.0, 0.0])
    assert scored.notes == ["f.csv: 1 of 3 rows have no label and are not scored"]
    assert SPLIT.labelled() is SPLIT
    assert of(None, rows=3).labelled() is None


def test_each_text_is_told_by_itself_candidates_too() -> None:
    split = Split(["0", "1"], (["a", "b"], [("c", "d"), ("e",)]), None, Path("made here"))
    assert list(split.each_text()) == ["a", "b", "c", "d", "e"]
