import csv

import mtk


class NewcomerListener:
    """Writes each task's score after every epoch to a CSV file in the run's directory, a line for
    each evaluation.

    Options: `file`, its name.
    """

    def __init__(self, *, file: str = "scores.csv") -> None:
        self.file = file

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        self.path = plan.out / self.file
        self.tasks = [task.name for task in plan.tasks]
        if not self.path.exists():  # as it does where a run is resumed
            self._write("epoch", "step", *self.tasks)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        metrics = [evaluation.metrics[task] for task in self.tasks]
        scores = [next(iter(of_task.values())) for of_task in metrics]  # the first
        self._write(evaluation.epoch, evaluation.step, *scores)

    def _write(self, *row: object) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)
