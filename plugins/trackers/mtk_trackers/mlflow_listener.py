from __future__ import annotations

import math
import time
from collections.abc import Mapping

import mtk
from mtk_trackers.settings import missing, of_plan


class MLflow:
    """Sends what a run tells of itself to MLflow, to the server that MLFLOW_TRACKING_URI names. Without one MLflow keeps it
    in a database, for which the package `mlflow` is needed, and not `mlflow-skinny` alone.

    Options: `experiment`; `name` of the run, that of its directory unless given.
    """

    def __init__(self, *, experiment: str = "mtk", name: str | None = None) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric, Param
        except ImportError as error:
            raise missing("mlflow", error) from error
        self._client_type, self._metric, self._param = MlflowClient, Metric, Param
        self.experiment, self.name = experiment, name

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        self._client = self._client_type()
        known = self._client.get_experiment_by_name(self.experiment)
        number = known.experiment_id if known else self._client.create_experiment(self.experiment)
        self._run = self._client.create_run(number, run_name=self.name or plan.out.name).info.run_id
        self._client.log_batch(self._run, params=[self._param(name, str(value)) for name, value in of_plan(plan).items()])

    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        self._log(progress.scalars, progress.step)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        self._log(evaluation.scalars, evaluation.step)

    @mtk.hookimpl
    def mtk_run_finished(self, result: mtk.Result) -> None:
        self._client.set_terminated(self._run, "KILLED" if result.interrupted else "FINISHED")

    def _log(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        there = {name: value for name, value in values.items() if math.isfinite(value)}  # it has no place for others
        self._client.log_batch(self._run, metrics=[self._metric(name, value, now, step) for name, value in there.items()])
