"""Train, evaluate, keep the best: the loop over evaluations, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from mtk.data.split import TaskData
from mtk.errors import NonFiniteError
from mtk.events import Evaluation, EvaluationProgress, EvaluationStart, Result
from mtk.host.listeners import Listeners
from mtk.host.registry import Registry
from mtk.metrics import average
from mtk.model.multitask import Model
from mtk.training import checkpoint
from mtk.training.build import Training
from mtk.training.evaluation import evaluate_splits
from mtk.training.interruption import Interruption
from mtk.training.resume import Due, State, restore, save_state
from mtk.training.run_directory import RunDirectory
from mtk.training.stages import StageTrainer


def train_and_keep(training: Training, directory: RunDirectory, hearing: Listeners, state: State | None = None) -> Result:
    """Go through the stages, train from one evaluation to the next, and keep the best model so far in `directory`, and
    where the run is. With `state`, go on from there. It ends with the last step, or where a listener says so.

    Ctrl-C, SIGTERM, SIGHUP, and a loss or a gradient that is not finite, end it early, with the best model so far, or else
    with the one that there is. What else is raised goes through, and takes the directory with it if it holds no model yet.
    """
    trainer, stages = training.trainer, training.stages
    model = trainer.evaluated_model
    began, best, interrupted, stopped = time.perf_counter(), None, False, None
    if state:
        restore(trainer, directory.checkpoint, state, stages)
        hearing.restore(state.listeners)
        best = state.best
    due = Due(trainer.config.checkpoint_every)

    def save() -> None:
        if due.ever:
            stages.tell()
            trainer.tell()
            save_state(trainer, directory.checkpoint, best, directory.metrics, hearing.states(), stages)
            due.done()

    try:
        with Interruption() as interruption:
            trainer.undisturbed = interruption.waits
            trainer.between_steps = lambda: save() if due(trainer.step) else None
            while stage := stages.current:
                stage.train(interruption.waits, partial(_save_if_due, save, due, stage))
                with interruption.waits():
                    stages.advance()
                    save()
            for epoch in trainer.evaluations():
                evaluation, predictions = _evaluate(training, hearing, epoch, best, interruption)
                with interruption.waits():
                    if evaluation.best:
                        directory.keep(model, predictions, {**training.dev, **training.further})
                        best = evaluation
                    stopped = "; ".join(hearing.tell("mtk_evaluated", evaluation=evaluation)) or None
                    trainer.evaluated = trainer.step
                    if stopped or trainer.ends_epoch:
                        save()
                if stopped:
                    break
    except KeyboardInterrupt:
        interrupted = True
        with Interruption() as interruption, interruption.waits():
            if best is None:
                directory.keep(model, {}, {})
            save()
    except NonFiniteError as error:
        if best is None:
            directory.keep(model, {}, {})
        kept = f"the best model so far, of epoch {best.epoch}" if best else "the model as it was before, not yet evaluated"
        raise NonFiniteError(f"{error} {directory.path} holds {kept}.") from error
    except BaseException:
        if best is None:
            directory.remove()  # nothing half-written stays behind
        raise
    return Result(
        out=directory.path,
        epochs=trainer.epoch,
        steps=trainer.step,
        seconds=time.perf_counter() - began,
        examples_per_second=trainer.examples / trainer.seconds if trainer.seconds else 0.0,
        best=best,
        interrupted=interrupted,
        stopped=stopped,
    )


def _save_if_due(save: Callable[[], object], due: Due, stage: StageTrainer) -> None:
    if due(stage.step):
        save()


def _evaluate(
    training: Training, hearing: Listeners, epoch: int, best: Evaluation | None, interruption: Interruption
) -> tuple[Evaluation, dict[str, Tensor]]:
    """An evaluation on the development sets, told as it goes on, and the predictions."""
    trainer = training.trainer
    splits = {**training.dev, **training.further}
    sizes = {name: len(tokens) for name, tokens in splits.items()}

    def progressed(task: str, done: int) -> None:
        interruption.check()
        hearing.tell("mtk_evaluation_progressed", progress=EvaluationProgress(task=task, done=done, examples=sizes[task]))

    start = EvaluationStart(step=trainer.step, epoch=epoch, examples=sizes)
    hearing.tell("mtk_evaluation_started", start=start)
    found, predictions, losses = evaluate_splits(trainer.evaluated_model, splits, progressed)
    further = {name: found[name] for name in training.further}
    metrics = {name: found[name] for name in training.dev}
    losses = {name: losses[name] for name in training.dev}
    score = average(metrics)
    is_best = best is None or not score <= best.average  # anything is better than NaN
    evaluation = Evaluation(
        step=trainer.step, epoch=epoch, metrics=metrics, average=score, best=is_best, losses=losses, further=further
    )
    return evaluation, predictions


def predict_tests(
    model: Model, data: Mapping[str, TaskData], directory: RunDirectory, result: Result, registry: Registry
) -> None:
    """Write what the best model says of the test files; `model` is the last one."""
    tests = {(name, "test"): d.test for name, d in data.items() if d.test is not None}
    for name, d in data.items():
        tests |= {(name, split): read for split, read in d.further.items() if split.startswith("test")}
    if tests and (result.best is None or result.best.step != result.steps):
        model = checkpoint.load(directory.model, device=str(model.device), registry=registry)
    for (name, split), test in tests.items():
        predictions = model.predict_split(name, model.tokenize(name, test))
        directory.write_predictions(model.tasks[name], split, test.ids, predictions)
