from __future__ import annotations

import mtk


class Constant(mtk.Schedule):
    """The rate stays where warm-up has brought it."""

    def factor(self, left: float) -> float:
        return 1.0
