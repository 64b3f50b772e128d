from __future__ import annotations

import mtk


class Quadratic(mtk.Schedule):
    """Falls in a parabola that is flat in the end."""

    def factor(self, left: float) -> float:
        return left**2
