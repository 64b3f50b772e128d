from __future__ import annotations

import mtk
from mtk_trackers.settings import missing, of_plan


class WandB:
    """Sends what a run tells of itself to Weights & Biases, or, with WANDB_MODE=offline, keeps it in the run's directory,
    for `wandb sync`. Its own variables say who sends it, and where to.

    Options: `project`; `name` of the run, that of its directory unless given.
    """

    def __init__(self, *, project: str = "mtk", name: str | None = None) -> None:
        try:
            import wandb
        except ImportError as error:
            raise missing("wandb", error) from error
        self._wandb, self.project, self.name = wandb, project, name

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        quiet = self._wandb.Settings(silent=True, console="off")  # for standard output is the command's
        name = self.name or plan.out.name
        self._run = self._wandb.init(
            project=self.project, name=name, dir=str(plan.out), config=of_plan(plan), settings=quiet
        )

    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        self._run.log(progress.scalars, step=progress.step)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        self._run.log(evaluation.scalars, step=evaluation.step)

    @mtk.hookimpl
    def mtk_run_finished(self, result: mtk.Result) -> None:
        if result.best:
            self._run.summary.update({f"best/{name}": value for name, value in result.best.scalars.items()})
        self._run.finish()
