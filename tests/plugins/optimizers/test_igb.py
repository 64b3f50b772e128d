"""IGBv1: equal to its authors' code, whose second epoch is two steps here."""

from __future__ import annotations

from published import TASKS, equals, slopes

from mtk_optimizers.igb import IGB


def test_equals_the_published_code() -> None:
    combiner = IGB(TASKS, period=2).double()
    given = [slopes(combiner, number) for number in range(6)]
    equals(given[0], [0.6802475820743175, 0.8279380307235951, 1.0423366468661026])
    equals(given[5], [1.0296232783983228, 1.4399901340957475, 0.8481499039567418])
