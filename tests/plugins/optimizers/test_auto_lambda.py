"""Auto-Lambda: equal to its authors' code, for losses to which the look-ahead does not matter."""

from __future__ import annotations

import pytest
from published import TASKS, by_halves, equals

from mtk_optimizers.auto_lambda import AutoLambda


def test_equals_the_published_code() -> None:
    combiner = AutoLambda(TASKS, primary=["one", "three"], rate=0.01).double()
    expected = [
        [0.10999999996008669, 0.09000000003040123, 0.10999999992269713],
        [0.11981523696387983, 0.0801887659026394, 0.11944012893405208],
        [0.1295174404759074, 0.07036880544927904, 0.128636065319542],
        [0.13784943181495454, 0.06154977536442202, 0.13808040966447627],
    ]
    for number, weights in enumerate(expected):
        equals(by_halves(combiner, number), weights, tolerance=1e-8)


def test_the_length_of_the_look_ahead_hardly_matters() -> None:
    """What the published code gave, in the fourth step, with its step of 1e-4 and losses with Hessians, whose largest
    eigenvalues are 9, 19 and 6."""
    combiner = AutoLambda(TASKS, primary=["one", "three"], rate=0.01).double()
    given = [by_halves(combiner, number) for number in range(4)]
    equals(given[3], [0.1378483083538765, 0.06155100035304949, 0.13807890603429282], tolerance=1e-4)


def test_primary_tasks_are_tasks() -> None:
    with pytest.raises(ValueError, match="primary takes tasks, one, two, three, and not 'four'"):
        AutoLambda(TASKS, primary=["four"])
