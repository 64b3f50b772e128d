"""The smallest schedule of the contract's page is one, and what lacks its method is none."""

from __future__ import annotations

import mtk
from mtk.host.contracts import why_not


class Quadratic(mtk.Schedule):
    def factor(self, left: float) -> float:
        return left * left


class Without(mtk.Schedule):
    pass


class Misnamed(mtk.Schedule):
    def factor(self, progres: float, left: float) -> float:
        return left


def test_what_is_a_schedule() -> None:
    assert why_not("schedule", Quadratic) is None
    assert "does not define `factor(self, left, progress, step, steps)`" in (why_not("schedule", Without) or "")
    assert why_not("schedule", Misnamed) is not None
