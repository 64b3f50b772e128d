"""MoCo: equal to LibMTL's code, which is its authors', in the third step."""

from __future__ import annotations

from published import TASKS, equals, step

from mtk_optimizers.moco import MoCo


def test_equals_the_published_code() -> None:
    combiner = MoCo(TASKS).double()
    given = [combiner.combine(step(number)[1], step(number)[2]) for number in range(3)]
    equals(given[2], [-0.12076426414146471, 0.04282832985271764, -0.0857279716386567, -0.07794462693756832])
