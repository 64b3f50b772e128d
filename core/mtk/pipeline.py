"""From a configuration to a result: the one place where everything meets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import torch

from mtk import checkpoint
from mtk.audience import Audience
from mtk.config import RunConfig, check, per_task, read_config
from mtk.data import Split, TaskData
from mtk.data.augmentation import augment_split, build_augmenter
from mtk.data.layout import find_data, read_tasks
from mtk.device import choose_device, choose_precision, choose_recording, out_of_memory_explained
from mtk.encoder import load_encoder
from mtk.errors import DataError, UsageError, nearest
from mtk.evaluation import Metrics, average, evaluate_splits
from mtk.events import Evaluation, Plan, Result, TaskPlan
from mtk.model import Model
from mtk.registry import Kind, Registry
from mtk.rehearsal import rehearse
from mtk.results import RunDirectory
from mtk.spec import Spec, options
from mtk.trainer import Trainer
from mtk.versions import changed_versions, used_versions


def run(
    config: RunConfig | None = None,
    *,
    out: str | Path | None = None,
    listeners: Iterable[object] = (),
    registry: Registry | None = None,
    **settings: Any,
) -> Result:
    """Train one encoder on several tasks, evaluate it, and write everything to a new directory.

    What to do is said by `config`, or by its fields: `mtk.run(heads={"para": "concat-mlp"}, combiner="pcgrad")`. The
    directory is `out`, or a new one under `runs/`. `listeners` receive the run hooks of `mtk.hookspecs`.

    Raises UsageError and DataError for what the user can mend, before anything is written.
    """
    config = check(settings) if config is None else config
    registry = registry or Registry()
    device = choose_device(config.device)

    data = read_tasks(find_data(config.data, registry), bad_rows=config.bad_rows, limit=config.limit)
    asked, config = config, _resolve(config, data, registry)
    combiner_spec = Spec.parse(config.combiner)
    combiner = registry.build("combiner", combiner_spec, list(data))
    record = choose_recording(config.compile, device, config.combiner, uses_host=combiner.uses_host)
    specs = {name: Spec.parse(per_task(config.heads, name, "")) for name in data}
    audience = Audience(registry, config.listen)
    directory = RunDirectory.choose(out, [spec.name for spec in (combiner_spec, *specs.values())])
    training = _augment(config, data, registry)

    with out_of_memory_explained():
        torch.manual_seed(config.seed)
        encoder = load_encoder(config.encoder, config.pooling, registry)
        model = Model(encoder, [d.task for d in data.values()], specs, config.max_length, registry).to(device)
        model.autocast = choose_precision(config.precision, device)
        dev = {name: model.tokenize(name, d.dev) for name, d in data.items()}
        train = {name: model.tokenize(name, split) for name, split in training.items()}
        rehearse(model, registry.build("combiner", combiner_spec, list(data)).to(device), train)
        trainer = Trainer(
            model, combiner.to(device), train, config, lambda p: audience.tell("mtk_progressed", progress=p), record
        )

        directory.create(config)
        for listener in (directory, *listeners):
            audience.join(listener)
        differences = changed_versions(asked.versions, config.versions)
        audience.tell("mtk_run_started", plan=_plan(config, data, training, model, trainer, differences, directory.path))
        began, best, interrupted = time.perf_counter(), None, False
        try:
            for epoch in trainer.epochs():
                metrics, predictions = evaluate_splits(model, dev)
                score = average(metrics)
                is_best = best is None or score > best.average
                evaluation = Evaluation(step=trainer.step, epoch=epoch, metrics=metrics, average=score, best=is_best)
                if is_best:
                    best = evaluation
                    directory.keep(model, predictions, dev)
                audience.tell("mtk_evaluated", evaluation=evaluation)
        except KeyboardInterrupt:
            interrupted = True
            if best is None:
                directory.keep(model, {}, {})
        except BaseException:
            if best is None:
                directory.remove()  # nothing half-written stays behind
            raise
        else:
            if tests := {name: d.test for name, d in data.items() if d.test is not None}:
                if not is_best:
                    model = checkpoint.load(
                        directory.model, device=str(device), precision=config.precision, registry=registry
                    )
                _predict(tests, model, directory)

    result = Result(
        out=directory.path,
        epochs=trainer.epoch,
        steps=trainer.step,
        seconds=time.perf_counter() - began,
        examples_per_second=trainer.examples / trainer.seconds if trainer.seconds else 0.0,
        best=best,
        interrupted=interrupted,
    )
    audience.tell("mtk_run_finished", result=result)
    return result


def evaluate(
    path: str | Path,
    *,
    data: str | None = None,
    split: Literal["train", "dev", "test"] = "dev",
    device: str = "auto",
    bad_rows: Literal["error", "skip"] | None = None,
) -> Metrics:
    """The metrics of a run's model on a split of the data that it was trained on, or of other data with the same tasks."""
    path = Path(path)
    config = check(read_config(path / "config.toml"))
    registry = Registry()
    model = checkpoint.load(path, device=device, precision=config.precision, registry=registry)
    found = read_tasks(find_data(data or config.data, registry), bad_rows=bad_rows or config.bad_rows)
    splits: dict[str, Split] = {}
    for name in model.tasks:
        if name not in found:
            raise UsageError(f"The data has no task '{name}'. {nearest(name, found)}")
        if found[name].task.kind != model.tasks[name].kind:
            raise UsageError(
                f"Task '{name}' is {found[name].task.kind} in the data, and the model was trained on "
                f"{model.tasks[name].kind}."
            )
        chosen = getattr(found[name], split)
        if chosen is not None and chosen.labels is not None:
            splits[name] = chosen
    if not splits:
        raise DataError(f"No task has a {split} split with labels.")
    with out_of_memory_explained():
        return evaluate_splits(model, {name: model.tokenize(name, chosen) for name, chosen in splits.items()})[0]


def _resolve(config: RunConfig, data: Mapping[str, TaskData], registry: Registry) -> RunConfig:
    """The configuration with nothing left to guess: what a repetition of the run has to know."""
    for flag, setting in (("heads", config.heads), ("augment", config.augment), ("batch_size", config.batch_size)):
        for name in setting if isinstance(setting, dict) else ():
            if name != "*" and name not in data:
                raise UsageError(f"There is no task '{name}' for {flag}. {nearest(name, data)}")
    heads = {}
    for name, of_task in data.items():
        # the study's best model: a convolution for one text, a perceptron on the joint embedding for two
        spec = Spec.parse(per_task(config.heads, name, "concat-mlp" if of_task.task.pair else "cnn"))
        if "dropout" in options(registry.find("head", spec.name).load()) and "dropout" not in spec.options:
            spec = Spec(spec.name, {**spec.options, "dropout": str(config.dropout)})
        heads[name] = str(spec)
    config = msgspec.structs.replace(
        config,
        data=_absolute("tasks", config.data, registry),
        encoder=_absolute("encoder", config.encoder, registry),
        heads=heads,
    )
    return msgspec.structs.replace(config, versions=used_versions(config, list(data), registry))


def _absolute(kind: Kind, name: str, registry: Registry) -> str:
    """A directory as it is found from anywhere; what a plugin offers, and any other name, as it is."""
    return str(Path(name).resolve()) if not registry.offers(kind, name) and Path(name).is_dir() else name


def _augment(config: RunConfig, data: Mapping[str, TaskData], registry: Registry) -> dict[str, Split]:
    """Each task's training split, with the copies that its augmenter makes."""
    training = {}
    for name, of_task in data.items():
        training[name] = of_task.train
        if text := per_task(config.augment, name, ""):
            augmenter, copies = build_augmenter(registry, text)
            training[name] = augment_split(of_task.train, augmenter, copies, Random(f"{config.seed} {name} augment"))
    return training


def _plan(
    config: RunConfig,
    data: Mapping[str, TaskData],
    training: Mapping[str, Split],
    model: Model,
    trainer: Trainer,
    differences: list[str],
    out: Path,
) -> Plan:
    return Plan(
        tasks=[
            TaskPlan(
                name=name,
                kind=str(d.task.kind),
                pair=d.task.pair,
                head=str(model.specs[name]),
                augmenter=per_task(config.augment, name, "") or None,
                batch_size=trainer.sizes[name],
                train=len(training[name]),
                augmented=len(training[name]) - len(d.train),
                dev=len(d.dev),
                test=len(d.test) if d.test else 0,
                skipped=[line for split in (d.train, d.dev, d.test) if split for line in split.skipped],
            )
            for name, d in data.items()
        ],
        encoder=config.encoder,
        parameters=sum(p.numel() for p in model.parameters()),
        combiner=config.combiner,
        device=str(model.device),
        precision="bf16" if model.autocast else "fp32",
        recorded=trainer.recorded,
        epochs=trainer.epoch_count,
        steps=trainer.steps,
        differences=differences,
        out=out,
    )


def _predict(tests: Mapping[str, Split], model: Model, directory: RunDirectory) -> None:
    for name, test in tests.items():
        directory.write_predictions(
            model.tasks[name], "test", test.ids, model.predict_split(name, model.tokenize(name, test))
        )
