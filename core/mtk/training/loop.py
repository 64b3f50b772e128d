"""Train, evaluate, keep the best: the loop over evaluations, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from mtk.calling.failures import call
from mtk.data.split import TaskData
from mtk.engine.allocator import give_back
from mtk.engine.processes import ALONE, Processes, lost
from mtk.engine.sharding import gathered, state_sharded_as
from mtk.errors import DataError, LostProcessError, NonFiniteError
from mtk.events import Evaluation, EvaluationProgress, EvaluationStart, Result
from mtk.files import standing
from mtk.host.listeners import Listeners
from mtk.host.registry import Registry
from mtk.metrics import average, scores
from mtk.model.multitask import Model
from mtk.training import checkpoint
from mtk.training.build import Training
from mtk.training.evaluation import Evaluated, evaluate_splits, predicted_split
from mtk.training.interruption import AtOnce, Interruption
from mtk.training.learned import guessed, notes
from mtk.training.resume import Due, State, Tensors, restore, save_state, tensors_of
from mtk.training.run_directory import RunDirectory
from mtk.training.stages import StageTrainer


def train_and_keep(training: Training, directory: RunDirectory, hearing: Listeners, state: State | None = None) -> Result:
    """Go through the stages, train from one evaluation to the next, and keep the best model so far in `directory`, and
    where the run is. With `state`, go on from there. It ends with the last step, or where a listener says so.

    Ctrl-C, SIGTERM, SIGHUP, and a loss or a gradient that is not finite, end it early, with the best model so far, or else
    with the one that there is. What else is raised goes through, and takes the directory with it if it holds nothing yet.

    Of several processes the first one alone writes and tells; the others go through the same, and wait for it.
    """
    trainer, stages, processes = training.trainer, training.stages, training.trainer.processes
    model = trainer.evaluated_model
    began, best, interrupted, stopped = time.perf_counter(), None, False, None
    # The evaluation of the model in the directory. A run that died after it was kept goes on from before it was the best.
    kept = processes.first(directory.kept)
    if state:
        restore(trainer, directory.checkpoint, state, stages)
        hearing.restore(state.listeners)
        best = state.best
        if best and not standing(directory.model).exists():
            raise DataError(
                f"{directory.model} is not there any more. Restore it, or remove {directory.checkpoint} to begin again."
            )
        kept = kept or best
    due = Due(trainer.config.checkpoint_every, processes)

    def write(tensors: Tensors) -> None:
        save_state(trainer, directory.checkpoint, best, directory.told(), hearing.states(), stages, tensors)

    def save() -> None:
        if due.ever:
            stages.tell()
            trainer.tell()
            processes.first(partial(write, tensors_of(trainer, stages)))
            due.done()

    def keep(*evaluated: Any) -> None:
        weights = gathered(model.encoder.state_dict(), processes) if processes.sharded else None
        processes.first(partial(directory.keep, model, *evaluated, weights=weights))

    with Interruption(processes) as interruption:
        trainer.undisturbed = interruption.waits
        trainer.between_steps = lambda: save() if due(trainer.step) else None
        try:
            while stage := stages.current:
                stage.train(interruption.waits, partial(_save_if_due, save, due, stage))
                with interruption.waits():
                    stages.advance()
                    save()
            for epoch in trainer.evaluations():
                evaluation, found = _evaluate(training, hearing, epoch, best, interruption)
                give_back()
                with interruption.waits():
                    call(trainer.combiner, "after_evaluation", scores=scores(evaluation.metrics))
                    if evaluation.best:
                        splits = {**training.dev, **training.further}
                        keep(evaluation, found, splits)
                        best = kept = evaluation
                    reasons = processes.first(partial(hearing.tell, "mtk_evaluated", evaluation=evaluation))
                    stopped = "; ".join(reasons) or None
                    trainer.evaluated = trainer.step
                    if stopped or trainer.ends_epoch:
                        save()
                if stopped:
                    break
            interruption.check()
        except AtOnce:
            raise
        except KeyboardInterrupt:
            interrupted = interruption.is_ending = True
            if kept is None:
                keep()
            save()
        except NonFiniteError as error:
            if kept is None:
                keep()
            former = "the model as it was before, not yet evaluated"
            held = f"the best model so far, of epoch {kept.epoch}" if kept else former
            raise NonFiniteError(f"{error} {directory.path} holds {held}.") from error
        except BaseException as error:
            if (missed := lost(error)) and standing(directory.checkpoint).exists():
                raise LostProcessError(f"{missed} Go on from its last checkpoint with --resume {directory.path}.") from error
            if processes.is_first and not directory.holds_something:
                directory.remove()  # nothing half-written stays behind
            raise
    return Result(
        out=directory.path,
        epochs=trainer.epoch,
        steps=trainer.step,
        seconds=time.perf_counter() - began,
        examples_per_second=trainer.examples / trainer.seconds if trainer.seconds else 0.0,
        best=kept,
        interrupted=interrupted,
        stopped=stopped,
        skipped=trainer.skips.steps,
        notes=_notes(training, kept),
    )


def _save_if_due(save: Callable[[], object], due: Due, stage: StageTrainer) -> None:
    if due(stage.step):
        save()


def _notes(training: Training, best: Evaluation | None) -> list[str]:
    """What somebody should know of the run: steps that were left out, tasks that seem not to be learned."""
    trainer = training.trainer
    skipped = [str(trainer.skips)] if trainer.skips.steps else []
    tasks = [(task, training.model.tasks[task], tokens.labels) for task, tokens in training.dev.items()]
    guesses = [(name, guessed(task, labels, best)) for name, task, labels in tasks] if best else []
    return skipped + notes(trainer.movements, guesses)


def _evaluate(
    training: Training, hearing: Listeners, epoch: int, best: Evaluation | None, interruption: Interruption
) -> tuple[Evaluation, Evaluated]:
    """An evaluation on the development sets, told as it goes on, and all that was found."""
    trainer = training.trainer
    splits = {**training.dev, **training.further}
    sizes = {name: len(tokens) for name, tokens in splits.items()}

    def progressed(task: str, done: int) -> None:
        interruption.check_here()
        hearing.tell("mtk_evaluation_progressed", progress=EvaluationProgress(task=task, done=done, examples=sizes[task]))

    start = EvaluationStart(step=trainer.step, epoch=epoch, examples=sizes)
    hearing.tell("mtk_evaluation_started", start=start)
    found = evaluate_splits(trainer.evaluated_model, splits, progressed, trainer.processes)
    further = {name: found.metrics[name] for name in training.further}
    metrics = {name: found.metrics[name] for name in training.dev}
    losses = {name: found.losses[name] for name in training.dev}
    score = average(metrics)
    is_best = best is None or not score <= best.average  # anything is better than NaN
    evaluation = Evaluation(
        step=trainer.step, epoch=epoch, metrics=metrics, average=score, best=is_best, losses=losses, further=further
    )
    return evaluation, found


def _best(model: Model, directory: RunDirectory, registry: Registry, processes: Processes) -> Model:
    """The best model, where `model` is the last one; in its place where that is sharded, as there is no room for another."""
    if not processes.sharded:
        return checkpoint.load(directory.model, device=str(model.device), registry=registry)
    best = checkpoint.load(directory.model, device="cpu", registry=registry)
    model.load_state_dict(state_sharded_as(best.state_dict(), model.state_dict()))
    return model


def predict_tests(
    model: Model,
    data: Mapping[str, TaskData],
    directory: RunDirectory,
    result: Result,
    registry: Registry,
    processes: Processes = ALONE,
) -> Result:
    """Write what the best model says of the test files; `model` is the last one. The result, which a signal interrupts."""
    tests = {(name, "test"): d.test for name, d in data.items() if d.test is not None}
    for name, d in data.items():
        tests |= {(name, split): read for split, read in d.further.items() if split.startswith("test")}
    try:
        with Interruption(processes) as interruption:
            if tests and (result.best is None or result.best.step != result.steps):
                model = _best(model, directory, registry, processes)
            for (name, split), test in tests.items():
                tokens = model.tokenize(name, test)
                predictions = predicted_split(model, name, tokens, lambda done: interruption.check_here(), processes)
                write = partial(directory.write_predictions, model.tasks[name], split, test.ids, predictions)
                processes.first(write)
    except AtOnce:
        raise
    except KeyboardInterrupt:
        return msgspec.structs.replace(result, interrupted=True)
    return result
