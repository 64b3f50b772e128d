"""From a configuration to a result: the one place where everything meets.

What takes seconds to import is imported by the functions here after the plan is made, so that a mistake in it is answered
before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtk import launched
from mtk.config import Precision, RunConfig, check, read_config
from mtk.errors import UsageError, out_of_memory_explained
from mtk.events import Preparation, Result
from mtk.file_form import FileForm
from mtk.host.registry import PACKAGE, Registry
from mtk.importing import import_transformers, unsearched
from mtk.metrics import Metrics
from mtk.plan import RunPlan, layout_of, pin, plan_run

if TYPE_CHECKING:
    import torch

    from mtk.engine.processes import Processes
    from mtk.training.shared import Shared


def run(
    config: RunConfig | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    listeners: Iterable[object] = (),
    progress: bool = False,
    shard: bool = False,
    registry: Registry | None = None,
    shared: Shared | None = None,
    **settings: Any,
) -> Result:
    """Train one encoder on several tasks, evaluate it, and write everything to a new directory.

    What to do is said by `config`, or by its fields: `mtk.run(heads={"para": "concat-mlp"}, combiner="pcgrad")`. The
    directory is `out`, or a new one under `runs/`. `resume` is the directory of a run that was left off: it goes on with its
    own settings, of which only those in `RESUMABLE` may be given anew. `listeners` receive the run hooks of `mtk.hookspecs`;
    `progress` adds the one that shows what `mtk run` does, in a terminal or a notebook. Runs that are given one `Shared`
    load data, encoder and tokens once.

    Where torchrun started several processes, all call this and train together; those who listen hear the first one. One that
    torchrun started again goes on with the run in `out`, if there is one. With `shard` each of several holds a part of the
    encoder, of the tasks' gradients and of the optimizer's state.

    Raises UsageError and DataError for what the user can mend, before anything is written.
    """
    registry = registry or Registry()
    if resume is None and launched.most_restarts():
        if out is None:
            raise UsageError("A run that torchrun may start again goes on in its directory, so name that: --out DIR.")
        if launched.restarts() and (Path(out) / "config.toml").exists():
            config, out, resume, settings = None, None, out, {}
    if progress and launched.is_first():
        with registry.part("listener", PROGRESS).build() as shown:
            how: dict[str, Any] = {"out": out, "resume": resume, "shard": shard, "registry": registry, "shared": shared}
            return run(config, listeners=(*listeners, shown), **how, **settings)
    if config is None:
        config = check(settings if resume is None else resumed(Path(resume), settings))
    with unsearched():
        plan = plan_run(config, registry)
        import_transformers()
        from mtk.engine.device import choose_device
        from mtk.engine.processes import Processes, joined, place_in
        from mtk.engine.sharding import Sharded

    device = place_in(choose_device(plan.config.device))
    with joined(device, Sharded if shard else Processes) as processes:
        if shard and not processes.sharded:
            plan = replace(plan, notes=[*plan.notes, ONE_HOLDS_ALL])
        return _train(plan, registry, out, resume, listeners, device, processes, shared)


def _train(
    plan: RunPlan,
    registry: Registry,
    out: str | Path | None,
    resume: str | Path | None,
    listeners: Iterable[object],
    device: torch.device,
    processes: Processes,
    shared: Shared | None,
) -> Result:
    with unsearched():
        from mtk.engine.device import choose_precision, deterministic
        from mtk.host.listeners import Listeners
        from mtk.training.build import augment, build_training, check_shardable, describe, read_data
        from mtk.training.loop import predict_tests, train_and_keep
        from mtk.training.resume import read_state_of_all
        from mtk.training.run_directory import RunDirectory

    if processes.sharded:
        check_shardable(plan)
    plan = plan.computing_in(processes.first(lambda: choose_precision(plan.config.precision, device)))
    plan = plan.pinned(processes.first(partial(pin, plan)))
    hearing = Listeners(registry, plan.listeners, deaf=not processes.is_first)
    if processes.is_first:
        directory = RunDirectory.existing(Path(resume), plan) if resume else RunDirectory.choose(out, plan)
    else:
        directory = RunDirectory.of_another(Path(resume) if resume else None, plan)
    for listener in listeners:
        hearing.join(listener)

    def prepare(stage: str) -> None:
        hearing.tell("mtk_run_preparing", preparation=Preparation(stage))

    with closing(directory), out_of_memory_explained(), deterministic(plan.config.deterministic, device):
        state = read_state_of_all(directory.checkpoint, processes) if resume else None
        data = read_data(plan, prepare, shared)
        training = augment(plan, data, prepare, shared)
        built = build_training(
            plan,
            data,
            training,
            device,
            lambda progress: hearing.tell("mtk_progressed", progress=progress),
            prepare,
            lambda progress: hearing.tell("mtk_stage_progressed", progress=progress),
            processes,
            shared,
        )

        def begin() -> Path:
            if resume:
                directory.reopen(state.told if state else None)
            else:
                directory.create()
            return directory.path

        directory.at(processes.first(begin))
        hearing.join(directory)  # the last to come hears first: what others hear of is written by then
        hearing.tell("mtk_run_started", plan=describe(plan, data, training, built, directory.path))
        result = train_and_keep(built, directory, hearing, state)
        if not result.interrupted:
            result = predict_tests(built.trainer.evaluated_model, data, directory, result, registry, processes)
    hearing.tell("mtk_run_finished", result=result)
    return result


ONE_HOLDS_ALL = "--shard: there is one process, which holds all of the encoder; with --nproc N each of several holds a part"

PROGRESS = f"{PACKAGE}/progress"
"""The listener that shows how a run goes. It knows terminals and notebooks, and so is not the framework's."""

RESUMABLE = ("epochs", "steps", "checkpoint_every", "device", "compile", "padding_free", "recompute", "listen")
"""The settings that a run may be resumed with, in place of its own."""


def resumed(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the run in `path`, with those of `RESUMABLE` that are given. Raises UsageError for others."""
    if unfit := settings.keys() - set(RESUMABLE):
        raise UsageError(
            f"A run is resumed with its own settings: `{min(unfit)}` cannot be another one. Of them only "
            f"{', '.join(RESUMABLE)} can be given anew; --from {path} begins a new run from it."
        )
    return {**read_config(path / "config.toml"), **settings}


def evaluate(
    path: str | Path,
    *,
    data: str | None = None,
    split: str = "dev",
    device: str = "auto",
    precision: Precision | None = None,
    bad_rows: Literal["error", "skip"] | None = None,
    progress: Callable[[int, int], object] | None = None,
    form: FileForm | None = None,
) -> Metrics:
    """The metrics of a run's model on a split of the data that it was trained on, or of other data with the same tasks; in
    the precision of the run, or another one. `form` says what the files are like where tasks.toml does not. `progress` is
    told how many rows are done, and of how many.

    The split is train, dev or test, or `dev-NAME` of a further development set. Rows and tasks that are not scored are said
    to the logger `mtk`.
    """
    with unsearched():
        from mtk.data.tasks_toml import check_split
        from mtk.training import checkpoint
        from mtk.training.evaluation import evaluate_splits
        from mtk.training.scored import read_scored

    config = check(read_config(Path(path) / "config.toml"))
    registry = Registry()
    layout = layout_of(config, registry, data)
    check_split(layout, split)
    model = checkpoint.load(path, device=device, precision=precision, registry=registry)
    splits, notes = read_scored(model, layout, split, bad_rows=bad_rows or config.bad_rows, seed=config.seed, form=form)
    with out_of_memory_explained():
        tokens = {name: model.tokenize(name, chosen) for name, chosen in splits.items()}
        for note in notes + [f"{name}: {remark}" for name, read in tokens.items() for remark in read.remarks()]:
            logging.getLogger("mtk").warning(note)
        rows, done = sum(map(len, tokens.values())), dict.fromkeys(tokens, 0)

        def progressed(task: str, count: int) -> None:
            done[task] = count
            if progress:
                progress(sum(done.values()), rows)

        return evaluate_splits(model, tokens, progressed).metrics
