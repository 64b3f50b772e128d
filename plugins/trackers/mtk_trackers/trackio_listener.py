from __future__ import annotations

import sys
from contextlib import redirect_stdout

import mtk
from mtk_trackers.settings import missing, of_plan


class Trackio:
    """Keeps what a run tells of itself for Trackio, on this machine where TRACKIO_DIR says; `trackio show` draws it.

    Options: `project`; `name` of the run, that of its directory unless given.
    """

    def __init__(self, *, project: str = "mtk", name: str | None = None) -> None:
        try:
            import trackio
        except ImportError as error:
            raise missing("trackio", error) from error
        self._trackio, self.project, self.name = trackio, project, name

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        name = self.name or plan.out.name
        with redirect_stdout(sys.stderr):  # it tells of itself, and standard output is the command's
            self._run = self._trackio.init(project=self.project, name=name, config=of_plan(plan))

    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        self._run.log(progress.scalars, step=progress.step)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        self._run.log(evaluation.scalars, step=evaluation.step)

    @mtk.hookimpl
    def mtk_run_finished(self) -> None:
        with redirect_stdout(sys.stderr):
            self._run.finish()
