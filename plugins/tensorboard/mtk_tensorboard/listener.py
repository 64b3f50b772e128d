from __future__ import annotations

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
        for task, loss in progress.losses.items():
            self._writer.add_scalar(f"loss/{task}", loss, progress.step)
        for name, loss in progress.own_losses.items():
            self._writer.add_scalar(f"own_loss/{name}", loss, progress.step)
        for pair, cosine in progress.cosines.items():
            self._writer.add_scalar(f"cosine/{pair}", cosine, progress.step)
        for layer, cosines in progress.layer_cosines.items():
            for pair, cosine in cosines.items():
                self._writer.add_scalar(f"layer_cosine/{layer}/{pair}", cosine, progress.step)
        if progress.conflict:
            self._writer.add_scalar("conflict/before", progress.conflict.before, progress.step)
            self._writer.add_scalar("conflict/after", progress.conflict.after, progress.step)
        self._writer.add_scalar("learning_rate", progress.learning_rate, progress.step)
        self._writer.add_scalar("examples_per_second", progress.examples_per_second, progress.step)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        for task, metrics in {**evaluation.metrics, **evaluation.further}.items():
            for metric, value in metrics.items():
                self._writer.add_scalar(f"dev/{task}/{metric}", value, evaluation.step)
        self._writer.add_scalar("dev/average", evaluation.average, evaluation.step)
        self._writer.flush()  # so that a run that is cut off has it too

    @mtk.hookimpl
    def mtk_run_finished(self) -> None:
        self._writer.close()
