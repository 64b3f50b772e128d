"""UW-SO: equal to the code of its first author (1e-8 is added to the losses there); the losses count as constant."""

from __future__ import annotations

import pytest
from published import TASKS, equals, slopes

from mtk_optimizers.uw_so import UWSO

PUBLISHED = {
    1.0: [0.2781269140465695, 0.32239193063898947, 0.399481155314441],
    2.0: [0.3053333772969738, 0.3287341742608148, 0.36593244844221134],
}


@pytest.mark.parametrize("temperature", PUBLISHED)
def test_equals_the_published_code(temperature: float) -> None:
    equals(slopes(UWSO(TASKS, temperature=temperature).double(), 0), PUBLISHED[temperature], tolerance=1e-7)
