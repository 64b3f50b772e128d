"""For each promise of a schedule a part that breaks it, and it alone, as far as that can be."""

from __future__ import annotations

from typing import Any

import mtk


class Line(mtk.Schedule):
    """Keeps every promise. Those below differ in one thing."""

    def factor(self, left: float) -> float:
        return left


class BelowZero(mtk.Schedule):
    def factor(self, left: float) -> float:
        return left - 0.1


class DividesByWhatIsLeft(mtk.Schedule):
    def factor(self, left: float) -> float:
        return 1 / left


class Nothing(mtk.Schedule):
    def factor(self, left: float) -> float:
        return 0.0


class Halving(mtk.Schedule):
    last = 1.0

    def factor(self, left: float) -> float:
        self.last *= 0.9
        return self.last


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (BelowZero, {"factors"}),
    (DividesByWhatIsLeft, {"factors", "no-memory"}),
    (Nothing, {"some-rate"}),
    (Halving, {"no-memory"}),
]
