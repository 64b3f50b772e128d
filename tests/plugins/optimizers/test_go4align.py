"""GO4Align: equal to its authors' code, with scikit-learn's k-means in place of theirs; and the best cut is found."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from published import TASKS, equals, slopes

from mtk_optimizers.go4align import GO4Align, two_groups


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (1, [1.1641625375028422, 1.1641625375028422, 1.1641625375028422]),
        (2, [0.8073231496245199, 1.8778413132594869, 0.8073231496245199]),
    ],
)
def test_equals_the_published_code(groups: int, expected: list[float]) -> None:
    combiner = GO4Align(TASKS, groups=groups, rate=0.1).double()
    equals([slopes(combiner, number) for number in range(3)][2], expected)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6))
def test_no_other_two_groups_have_smaller_errors(values: list[float]) -> None:
    risks = torch.tensor(values, dtype=torch.float64)

    def error(sides: torch.Tensor) -> float:
        parts = [risks[sides], risks[~sides]]
        return sum(((part - part.mean()) ** 2).sum().item() for part in parts)

    divided = [torch.tensor(sides) for sides in product([True, False], repeat=len(values)) if len(set(sides)) == 2]
    least = min(map(error, divided))
    assert ((two_groups(risks) - risks) ** 2).sum().item() <= least + 1e-9 * (1 + least)
