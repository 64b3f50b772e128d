from __future__ import annotations

from collections.abc import Mapping

import mtk


class TensorBoard:
    """Writes what a run tells of itself to RUN/tensorboard, where `tensorboard --logdir RUN` finds it: each task's loss and
    those of its head's own, the cosine between the gradients of two tasks where a Gramian is computed, and by layer where it
    is one of each layer, the share of steps in which gradients were in conflict, before the combiner and after it, the
    learning rate and the pace; and, under `dev`, each task's metrics and the average.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise mtk.UsageError(
                f"--listen tensorboard needs TensorBoard: pip install 'multitask-toolkit[tensorboard]' ({error})"
            ) from error
        self._writer_type = SummaryWriter

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        self._writer = self._writer_type(str(plan.out / "tensorboard"))

    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        self._add(progress.scalars, progress.step)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        self._add(evaluation.scalars, evaluation.step)
        self._writer.flush()  # so that a run that is cut off has it too

    @mtk.hookimpl
    def mtk_run_finished(self) -> None:
        self._writer.close()

    def _add(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
