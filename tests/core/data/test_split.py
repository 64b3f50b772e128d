"""A split is columns of equal length, and its head is its first examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtk.data.split import Split

SPLIT = Split(["a", "b", "c"], (["1", "2", "3"], ["x", "y", "z"]), [0.0, 1.0, 2.0], Path("f.csv"), ["f.csv:4: short"])


@pytest.mark.parametrize("count", [None, 3, 4])
def test_all_of_it_is_itself(count: int | None) -> None:
    assert SPLIT.head(count) == SPLIT


def test_its_head_is_its_first_examples() -> None:
    assert SPLIT.head(2) == Split(["a", "b"], (["1", "2"], ["x", "y"]), [0.0, 1.0], SPLIT.source, SPLIT.skipped)
    assert len(SPLIT.head(1)) == 1
    assert len(SPLIT) == 3, "the split itself stays"


def test_without_labels_there_are_still_none() -> None:
    assert Split(["a", "b"], (["1", "2"],), None, Path("f.csv")).head(1).labels is None
