"""From a plan and its data to what trains: model, combiner, engine, trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn

from mtk.calling.failures import call
from mtk.combiner import Combiner, GradientCombiner, LossCombiner
from mtk.data.augmentation import augment_split
from mtk.data.shards import Shards, Source, Tokens, prepared
from mtk.data.split import Split, TaskData
from mtk.data.tasks_toml import SplitFiles, read_task
from mtk.data.tokens import TokenizedSplit
from mtk.engine.adjusted import adjusted
from mtk.engine.cuda_graphs import choose_recording
from mtk.engine.device import autocast_of
from mtk.engine.gradients import Engine
from mtk.engine.packing import choose_padding_free, why_plain
from mtk.engine.processes import ALONE, Processes
from mtk.engine.recomputation import recompute
from mtk.engine.sharding import WHY_PLAIN, shard
from mtk.errors import UsageError
from mtk.events import Plan, PlannedTask, Progress, StageProgress
from mtk.file_form import FileForm
from mtk.host.optimizers import decays, is_recordable
from mtk.host.registry import PACKAGE
from mtk.kind import Kind
from mtk.model.adapting import adapt
from mtk.model.encoder import Encoder, load_parts
from mtk.model.multitask import Model
from mtk.model.r_drop import may_diverge
from mtk.plan import RunPlan, TaskPlan
from mtk.training.build_model import build_model, with_pooling
from mtk.training.checkpoint import take_parts
from mtk.training.dry_run import check_turns, dry_run
from mtk.training.optimizer import check_sharded, freeze_layers
from mtk.training.shared import Same, Shared
from mtk.training.stages import Stages
from mtk.training.trainer import Recipe, Trainer

EQUAL = f"{PACKAGE}/equal"
FEWEST_IN_HALVES = 4  # examples: of fewer, none is left that a head could normalise over

Prepare: TypeAlias = Callable[[str], object]
"""It hears what takes its time before training begins."""


@dataclass(frozen=True)
class Training:
    """A run that is ready to begin."""

    stages: Stages  # what comes before
    trainer: Trainer
    dev: dict[str, TokenizedSplit]
    further: dict[str, TokenizedSplit]  # "task/NAME" -> a development set beside the one that decides
    plain: str | None  # why the tasks pass the encoder one after the other; None where they do so at once
    notes: list[str]  # what was left out of the run that this one begins with

    @property
    def model(self) -> Model:
        """The one that is trained."""
        return self.trainer.model


def read_data(plan: RunPlan, prepare: Prepare = lambda stage: None, shared: Shared | None = None) -> dict[str, TaskData]:
    """Each task's rows. Raises DataError for files that cannot be read, and rows that are not what they should be."""
    prepare(f"reading {len(plan.tasks)} tasks")
    shared, config = shared or Shared(), plan.config
    found = {}
    for name, t in plan.tasks.items():
        streamed = config.tokens is not None
        key = (read_task, config.data, name, t.source.files.revision, config.bad_rows, t.limit, config.seed, streamed)
        read = partial(read_task, t.source, bad_rows=config.bad_rows, limit=t.limit, seed=config.seed, streamed=streamed)
        found[name] = shared.once(key, read)
    return found


def augment(
    plan: RunPlan,
    data: Mapping[str, TaskData],
    prepare: Prepare = lambda stage: None,
    shared: Shared | None = None,
) -> dict[str, Split]:
    """Each task's training split, with the copies that its augmenter makes."""
    shared = shared or Shared()
    if any(t.augmenter for t in plan.tasks.values()):
        prepare("augmenting")
    training = {}
    for name, t in plan.tasks.items():
        training[name] = data[name].train
        if t.augmenter:
            key = (_augmented, Same(data[name].train), t.augmenter.recorded, plan.config.seed, name)
            training[name] = shared.once(key, partial(_augmented, t, data[name].train, plan.config.seed))
    return training


def _augmented(planned: TaskPlan, split: Split, seed: int) -> Split:
    assert planned.augmenter
    augmenter = planned.augmenter.build()
    copies = planned.augmenter.framework["copies"] or augmenter.copies
    return augment_split(split, augmenter, copies, seed, planned.task)


def build_training(
    plan: RunPlan,
    data: Mapping[str, TaskData],
    training: Mapping[str, Split],
    device: torch.device,
    report: Callable[[Progress], object],
    prepare: Prepare = lambda stage: None,
    report_stage: Callable[[StageProgress], object] = lambda progress: None,
    processes: Processes = ALONE,
    shared: Shared | None = None,
) -> Training:
    """Everything is made, and made to take a step once, so that a plugin that breaks its promise does so here: in each of
    several processes alike, before they have to do with one another where each has the whole encoder."""
    config, given, shared = plan.config, shared, shared or Shared()
    torch.manual_seed(config.seed)  # of what draws where it is made
    combiner = build_combiner(plan)
    recipe = Recipe(plan.sampler, plan.optimizer, plan.schedule, plan.ema_decay)
    record = choose_recording(
        config.compile,
        device,
        plan.combiner.text,
        uses_host=combiner.uses_host,
        recompute=config.recompute,
        processes=processes.count,
        unrecordable=None if is_recordable(plan.optimizer.cls) else plan.optimizer.text,
    )
    prepare(f"loading the encoder {plan.encoder.name}")
    encoder = _encoder(plan, given)
    torch.manual_seed(config.seed)  # as if it had not been loaded, which it may not have been
    heads = {name: t.head for name, t in plan.tasks.items()}
    model = build_model(encoder, [t.task for t in plan.tasks.values()], heads, config.max_length, config.seed)
    notes = take_parts(model, plan.pooling, heads, Path(config.from_run)) if config.from_run else []
    model.autocast = autocast_of(config.precision)
    if processes.sharded:
        check_sharded(plan.optimizer, processes, device)
        shard(encoder, device, model.autocast)
    model.to(device)
    prepare("tokenizing")

    def tokenize(name: str, split: Split) -> TokenizedSplit:
        of_encoder = (plan.encoder.source, plan.encoder.revision)
        reading = (*of_encoder, model.head(name).pair_encoding, config.max_length, str(device))
        return shared.once((tokenize.__name__, Same(split), name, *reading), lambda: model.tokenize(name, split))

    dev = {name: tokenize(name, d.dev) for name, d in data.items()}
    beside = {
        f"{name}/{split.removeprefix('dev-')}": tokenize(name, read)
        for name, d in data.items()
        for split, read in d.further.items()
        if split.startswith("dev-")
    }
    train: dict[str, Tokens]
    if config.tokens is None:
        train = {name: tokenize(name, split) for name, split in training.items()}
    else:
        train = _streamed(plan, model, Path(config.tokens), data, processes)
    for name, tokens in train.items():
        kind = plan.tasks[name].task.kind
        if type(kind).fit is not Kind.fit:
            call(kind, "fit", labels=tokens.exact_labels.float())
    prepare("a dry run")
    names = next(iter(train.values())).names
    plain = WHY_PLAIN if processes.sharded else processes.first(lambda: why_plain(encoder, names))
    one = isinstance(combiner, LossCombiner) and config.cosines == "auto"
    gradients = 1 if one else len(plan.tasks)
    padding_free = choose_padding_free(config.padding_free, device, model.autocast, plain, gradients)
    engine = Engine(
        model,
        combiner.to(device),
        packed=plain is None,
        padding_free=padding_free,
        clip_norm=config.clip_norm,
        cosines=config.cosines,
        processes=processes,
    )
    sizes = {name: t.batch_size for name, t in plan.tasks.items()}
    check_turns(combiner, train)
    trainer = Trainer(engine, train, sizes, config, recipe, report=report, record=record)
    _check_halves(plan, trainer)
    if config.r_drop:
        _check_r_drop(model)
    further = list(trainer.sampling.seen_together(trainer.turns, trainer.steps, trainer.epoch_count))
    tried_by = processes if processes.sharded else ALONE
    form = {"packed": plain is None, "padding_free": padding_free}
    dry_run(model, build_combiner(plan).to(device), train, **form, further=further, processes=tried_by)
    parts = (plan.optimizer, plan.schedule)
    stages = Stages(
        plan.stages, model, data, config, parts, scaling=engine.scaling, report=report_stage, processes=processes
    )
    torch.manual_seed(config.seed)  # of dropout, and of a combiner that draws
    return Training(stages, trainer, dev, beside, plain, notes + _without_effect(plan, trainer))


def _streamed(
    plan: RunPlan, model: Model, directory: Path, data: Mapping[str, TaskData], processes: Processes
) -> dict[str, Tokens]:
    """Each task's training set in shards, which the first process makes where they are not there; what is to be said of its
    rows is added to what is said of its data."""
    found: dict[str, Tokens] = {}
    for name, t in plan.tasks.items():
        files = t.source.files
        form = files.train.form if isinstance(files.train, SplitFiles) else FileForm()
        source = Source(t.task, files.paths("train"), form, plan.config.bad_rows)
        encoding = model.head(name).pair_encoding
        how = (source, model.encoder.tokenizer, encoding, plan.config.max_length)
        parts = processes.first(partial(prepared, *how, directory))
        shards = found[name] = Shards(parts, *how, model.device)
        said = f"{shards.source.name} stays on disk: doubled ids, and rows that are in dev too, were not looked for in it"
        split = data[name].train
        split.skipped[:] = shards.skipped
        split.notes[:] = dict.fromkeys([*split.notes, *shards.notes, said])
    return found


def _encoder(plan: RunPlan, shared: Shared | None) -> Encoder:
    """As it is to be trained. Raises UsageError where it cannot be had, or cannot be trained so."""
    config = plan.config
    name, source = plan.encoder.name, plan.encoder.source
    revision, pickles = plan.encoder.revision, config.allow_pickle
    load = partial(load_parts, name, source=source, revision=revision, hint=plan.encoder.hint, allow_pickle=pickles)
    loaded = shared.copy_of((load_parts, source, revision, pickles), load) if shared else load()
    if plan.adapter:
        adapt(loaded.backbone, plan.adapter, source, revision, config.seed)
    encoder = with_pooling(loaded, plan.pooling, config.seed)
    if encoder.longest is not None and config.max_length > encoder.longest:
        raise UsageError(f"--max-length {config.max_length}: {plan.encoder.name} reads at most {encoder.longest} tokens.")
    freeze_layers(encoder.backbone, config.freeze)
    if config.recompute:
        recompute(encoder.backbone)
    return encoder


def _check_halves(plan: RunPlan, trainer: Trainer) -> None:
    """Raises UsageError where the combiner compares two halves of batches that have none."""
    small = [name for name, batches in trainer.batches.items() if batches.size < FEWEST_IN_HALVES]
    if trainer.engine.in_halves and small:
        raise UsageError(
            f"--combiner {plan.combiner.text} compares two halves of each task's batch, and that of {' and '.join(small)} "
            f"is too small for that. Take --batch-size {FEWEST_IN_HALVES} or more."
        )


def _check_r_drop(model: Model) -> None:
    """Raises UsageError where two passes cannot be compared, or are the same."""
    unfit = [name for name, task in model.tasks.items() if not may_diverge(task.kind)]
    if unfit:
        kind = model.tasks[unfit[0]].kind
        raise UsageError(
            f"--r-drop: two answers to task '{unfit[0]}' cannot be compared: its kind, {kind}, has no probabilities, and no "
            f"`divergence`. Leave --r-drop out."
        )
    if not any(isinstance(module, nn.Dropout) and module.p for module in model.modules()):
        raise UsageError("--r-drop: the encoder and the heads drop nothing, so both passes are the same. Leave it out.")


def _without_effect(plan: RunPlan, trainer: Trainer) -> list[str]:
    """A line for each part that the others leave nothing to do."""
    notes = []
    if not decays(plan.optimizer.cls) and plan.config.weight_decay:
        notes.append(f"the optimizer {plan.optimizer.text} knows no decay of the weights: --weight-decay does nothing")
    if plan.sampler.recorded != EQUAL and all(len(turn) == 1 for turn in trainer.turns):
        notes.append(
            f"the sampler {plan.sampler.text} has no two tasks to share a step out to: {plan.combiner.text} gives each task "
            f"steps of its own"
        )
    return notes


def check_shardable(plan: RunPlan) -> None:
    """Raises UsageError for what a run cannot have whose processes hold the encoder in parts."""
    unfit = {}
    if issubclass(plan.combiner.cls, GradientCombiner):
        unfit[f"--combiner {plan.combiner.text}"] = "computes with the tasks' whole gradients, which no process has"
    if plan.ema_decay is not None:
        unfit[f"--average {plan.config.average}"] = "is a second encoder, which is not sharded"
    if plan.adapter:
        unfit[f"--adapter {plan.config.adapter}"] = "trains matrices beside the encoder's, which are not sharded"
    for stage in plan.stages:
        unfit[f"--stage {stage.text}"] = "reads the embeddings' table, of which no process has all"
    if unfit:
        told = "; ".join(f"{setting} {reason}" for setting, reason in unfit.items())
        raise UsageError(f"--shard: {told}. Leave --shard out, or the other.")


def build_combiner(plan: RunPlan) -> Combiner:
    """A fresh one. Raises UsageError where it cannot be built."""
    return adjusted(plan.combiner.build(tasks=list(plan.tasks)), plan.combiner.framework)


def describe(plan: RunPlan, data: Mapping[str, TaskData], training: Mapping[str, Split], built: Training, out: Path) -> Plan:
    """The run as those who listen are told of it; `out` is its directory."""
    trainer, parameters = built.trainer, list(built.model.parameters())
    return Plan(
        tasks=[
            PlannedTask(
                name=name,
                kind=str(t.task.kind),
                pair=t.task.pair,
                head=t.head.text,
                augmenter=t.augmenter.text if t.augmenter else None,
                batch_size=t.batch_size,
                train=len(trainer.train[name]),
                augmented=len(training[name]) - len(data[name].train),
                dev=len(data[name].dev),
                test=len(test) if (test := data[name].test) else 0,
                skipped=[line for s in data[name].splits for line in s.skipped],
                notes=data[name].notes,
            )
            for name, t in plan.tasks.items()
        ],
        encoder=plan.encoder.name,
        parameters=sum(p.numel() for p in parameters),
        combiner=plan.combiner.text,
        sampler=plan.sampler.text,
        optimizer=plan.optimizer.text,
        schedule=plan.schedule.text,
        pooling=plan.pooling.text,
        stages=[part.text for part in plan.stages],
        frozen=sum(p.numel() for p in parameters if not p.requires_grad),
        device=str(trainer.model.device),
        precision=plan.config.precision,
        processes=trainer.processes.count,
        sharded=trainer.processes.sharded,
        recorded=trainer.recorded,
        plain=built.plain,
        epochs=trainer.epoch_count,
        steps=trainer.steps,
        notes=plan.notes
        + built.notes
        + [f"{name}: {remark}" for name, tokens in trainer.train.items() for remark in tokens.remarks()],
        out=out,
    )
