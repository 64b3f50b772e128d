from __future__ import annotations

import mtk


class Linear(mtk.Schedule):
    """The rate falls in a line from 1 to 0."""

    def factor(self, left: float) -> float:
        return left
