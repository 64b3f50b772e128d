from __future__ import annotations

from typing import Annotated, Any

import msgspec

import mtk


class EarlyStopping:
    """Ends the run after `patience` evaluations in a row of which none was better than the best before them by more than
    `gain`. The run then ends as any other: with its best model.

    Options: `patience`; `gain`; `task`, whose score counts, or none for the average of all.
    """

    def __init__(
        self,
        *,
        patience: Annotated[int, msgspec.Meta(ge=1)] = 3,
        gain: Annotated[float, msgspec.Meta(ge=0)] = 0.0,
        task: str | None = None,
    ) -> None:
        self.patience, self.gain, self.task = patience, gain, task
        self.best: float | None = None
        self.waited = 0

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        tasks = [task.name for task in plan.tasks]
        if self.task is not None and self.task not in tasks:
            raise mtk.UsageError(f"there is no task '{self.task}'; there is {', '.join(tasks)}")

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> mtk.Stop | None:
        scores = evaluation.metrics.get(self.task or "")
        score = next(iter(scores.values())) if scores else evaluation.average
        if self.best is None or not score <= self.best + self.gain:  # anything is better than NaN
            self.best, self.waited = score, 0
            return None
        self.waited += 1
        if self.waited < self.patience:
            return None
        of = f"the score of {self.task}" if self.task else "the average"
        return mtk.Stop(f"{of} did not get better than {self.best:.4f} in {self.waited} evaluations")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = state["best"], state["waited"]
