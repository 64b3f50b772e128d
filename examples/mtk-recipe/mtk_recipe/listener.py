from __future__ import annotations

import mtk


class Target:
    """Ends a run at the first evaluation whose average is high enough."""

    def __init__(self, *, average: float) -> None:
        self.average = average

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> mtk.Stop | None:
        if evaluation.average >= self.average:
            return mtk.Stop(f"the average is {evaluation.average:.3f}, and {self.average:g} is enough")
        return None
