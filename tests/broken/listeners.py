"""For each promise of a listener a part that breaks it, and it alone, as far as that can be."""

from __future__ import annotations

import random
from typing import Any

import mtk


class Patience:
    """Keeps every promise. Those below differ in one thing."""

    def __init__(self) -> None:
        self.best, self.waited = float("-inf"), 0

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> mtk.Stop | None:
        self.waited = 0 if evaluation.average > self.best else self.waited + 1
        self.best = max(self.best, evaluation.average)
        return mtk.Stop("it gets no better") if self.waited > 1 else None

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = state["best"], state["waited"]


class Unmarked(Patience):
    def mtk_run_finished(self, result: mtk.Result) -> None:
        pass


class AsksForABest(Patience):
    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        progress.cosines["task0/task1"]


class SaysYes(Patience):
    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> Any:
        return True


class TossesACoin(Patience):
    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        random.random()


class ForgetsHowLong(Patience):
    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": 0}


class KeepsASet(Patience):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "seen": (1, 2)}


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (Unmarked, {"implements"}),
    (AsksForABest, {"hears", "answering", "no-randomness", "resuming"}),
    (SaysYes, {"answering"}),
    (TossesACoin, {"no-randomness"}),
    (ForgetsHowLong, {"resuming"}),
    (KeepsASet, {"resuming"}),
]
