"""From a configuration, which is text, to the typed parts of a run. After this nobody parses a spec, looks up a name, or
asks whether a setting is for all tasks or for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from mtk import hub
from mtk.adapter import Adapter
from mtk.config import BATCH_SIZE, PerTask, Precision, RunConfig
from mtk.data.tasks_toml import TaskFiles, TaskSource, read_layout
from mtk.errors import UsageError, nearest
from mtk.files import is_directory
from mtk.host.adapters import read_adapter
from mtk.host.component import Component
from mtk.host.contracts import PartKind
from mtk.host.kinds import Kinds, component_of
from mtk.host.part import Part
from mtk.host.registry import PACKAGE, Registry
from mtk.host.spec import Spec
from mtk.host.versions import changed_versions, used_versions
from mtk.task import Task

T = TypeVar("T")

# The study's best model: a convolution for one text, a perceptron on the joint embedding for two.
HEAD_OF_ONE_TEXT, HEAD_OF_A_PAIR = f"{PACKAGE}/cnn", f"{PACKAGE}/concat-mlp"
HEAD_OF_WORDS = f"{PACKAGE}/token-linear"

SHARED: tuple[PartKind, ...] = ("combiner", "sampler", "optimizer", "schedule", "pooling")
"""The kinds of which a run has one part for all tasks. A configuration, and a plan, have it under this name."""


@dataclass(frozen=True)
class TaskPlan:
    """One task of a run."""

    source: TaskSource
    head: Part
    augmenter: Part | None
    batch_size: int
    limit: int | None  # examples of each split

    @property
    def task(self) -> Task:
        return self.source.task


@dataclass(frozen=True)
class EncoderSource:
    """Where an encoder is taken from."""

    name: str  # as the user calls it
    source: str  # a directory, or an id of the hub
    component: Component | None  # where a plugin offers it
    hint: str  # for somebody who mistyped it
    revision: str | None = None  # of the hub's


@dataclass(frozen=True)
class RunPlan:
    """A run, with nothing left to look up. `mtk.Plan` is its description for those who listen."""

    config: RunConfig  # with nothing left to guess: what a repetition of the run has to know
    tasks: dict[str, TaskPlan]
    encoder: EncoderSource
    combiner: Part
    sampler: Part
    optimizer: Part
    schedule: Part
    pooling: Part
    stages: list[Part]
    adapter: Adapter | None
    ema_decay: float | None
    listeners: list[Part]
    notes: list[str]  # what somebody should know: versions that changed, names that two packages have

    def computing_in(self, precision: Precision) -> RunPlan:
        """The same run with its precision chosen, so that a repetition, and whoever predicts, computes in it too."""
        return replace(self, config=msgspec.structs.replace(self.config, precision=precision))

    def pinned(self, pins: Mapping[str, hub.Pin]) -> RunPlan:
        """The same run, with what it takes from the hub as `pin` found it; so a repetition takes the same."""
        commits = {key: found.commit for key, found in pins.items()}
        encoder, key = self.encoder, encoder_key(self.config.encoder)
        return replace(
            self,
            config=msgspec.structs.replace(self.config, revisions=commits),
            tasks={name: replace(t, source=_at(t.source, commits)) for name, t in self.tasks.items()},
            encoder=replace(encoder, revision=commits[key]) if key in commits else encoder,
            notes=self.notes + [found.note for found in pins.values() if found.note],
        )

    @property
    def title(self) -> list[str]:
        """The words that name the run."""
        return list(dict.fromkeys(part.component.name for part in (self.combiner, *(t.head for t in self.tasks.values()))))


def plan_run(config: RunConfig, registry: Registry) -> RunPlan:
    """Find every part that `config` names, and read its options. Raises UsageError for what does not exist or does not fit,
    DataError for a directory of tasks with anything wrong in it."""
    layout = read_layout(find_data(config.data, registry), Kinds(registry))
    asked = _read_specs(config, list(layout))
    _check_names(config, asked, registry)
    for source in layout.values():
        source.files.check()
    sizes = _by_task("batch_size", config.batch_size, list(layout))
    limits = _by_task("limit", config.limit, list(layout))
    tasks = {}
    for name, source in layout.items():
        augmenter = asked.augmenters.get(name)
        head = asked.heads.get(name) or Spec(_usual_head(source.task))
        tasks[name] = TaskPlan(
            source=source,
            head=registry.part("head", head, {"dropout": str(config.dropout)}),
            augmenter=registry.part("augmenter", augmenter) if augmenter else None,
            batch_size=sizes.get(name, BATCH_SIZE),
            limit=limits.get(name),
        )
        check_fit(tasks[name], registry)
    shared = {kind: registry.part(kind, spec) for kind, spec in asked.shared.items()}
    stages = [registry.part("stage", spec) for spec in asked.stages]
    listeners = [registry.part("listener", spec) for spec in asked.listeners]
    if config.tokens is not None:
        _check_streamed(config, tasks)
        config = msgspec.structs.replace(config, tokens=str(Path(config.tokens).resolve()))
    encoder, adapter = find_encoder(config.encoder, registry), read_adapter(config.adapter)
    if config.from_run is not None:
        run = Path(config.from_run).resolve()
        config = msgspec.structs.replace(config, from_run=str(run))
        encoder = EncoderSource(str(run / "model" / "encoder"), str(run / "model" / "encoder"), None, "")

    components = [encoder.component] if encoder.component else []
    if registry.offers("tasks", config.data):
        components.append(registry.find("tasks", config.data))
    components += [component_of(t.task.kind) for t in tasks.values()]
    components += [part.component for t in tasks.values() for part in (t.head, t.augmenter) if part]
    components += [part.component for part in (*shared.values(), *stages, *listeners)]
    complete = msgspec.structs.replace(
        config,
        data=_recorded("tasks", config.data, registry),
        encoder=_recorded("encoder", config.encoder, registry),
        heads={name: t.head.recorded for name, t in tasks.items()},
        augment={name: t.augmenter.recorded for name, t in tasks.items() if t.augmenter},
        stages=[part.recorded for part in stages],
        listen=[part.recorded for part in listeners],
        versions=used_versions(components, ["peft"] if adapter else []),
        **{kind: part.recorded for kind, part in shared.items()},
    )
    return RunPlan(
        config=complete,
        tasks=tasks,
        encoder=encoder,
        **shared,
        stages=stages,
        adapter=adapter,
        ema_decay=_ema_decay(config.average),
        listeners=listeners,
        notes=changed_versions(config.versions, complete.versions) + _twins(components, registry),
    )


def _usual_head(task: Task) -> str:
    if task.kind.level == "token":
        return HEAD_OF_WORDS
    return HEAD_OF_A_PAIR if task.pair else HEAD_OF_ONE_TEXT


def check_fit(planned: TaskPlan, registry: Registry) -> None:
    """Whether the parts of a task can do with each other. Raises UsageError."""
    task, head = planned.task, planned.head
    level = head.cls.level  # type: ignore[attr-defined]
    if level != task.kind.level:
        gives = {"text": "a whole text", "token": "each word"}
        others = [c.name for c in registry.components if c.kind == "head" and _level_of(c) == task.kind.level]
        raise UsageError(
            f"Task '{task.name}' is {task.kind}, which asks for logits of {gives[task.kind.level]}, and the head "
            f"'{head.text}' gives those of {gives[level]}. --head {task.name}= takes one of {', '.join(others)}."
        )
    if planned.augmenter and (task.kind.level == "token" or task.kind.candidates):
        raise UsageError(
            f"--augment {task.name}={planned.augmenter.text}: task '{task.name}' is {task.kind}, whose labels are those of "
            f"single words or candidates, and a changed copy would not have the same."
        )


def _level_of(component: Component) -> str | None:
    try:
        level: str = component.load().level
    except UsageError:  # broken, and said so where it is asked for
        return None
    return level


def pin(plan: RunPlan) -> dict[str, hub.Pin]:
    """What the run takes from the hub, by the name that `RunConfig.revisions` has for it, at the commit that is recorded, or
    that its revision stands for now. Raises UsageError for what is not there."""
    asked: dict[str, tuple[hub.RepoKind, str, str | None]] = {}
    encoder = plan.encoder
    if plan.config.from_run is None and not is_directory(encoder.source):
        asked[encoder_key(plan.config.encoder)] = ("model", encoder.source, encoder.revision)
    for files in (t.source.files for t in plan.tasks.values()):
        if files.data is not None:
            asked[_data_key(files)] = ("dataset", files.data, files.revision)
    known = plan.config.revisions
    found = {}
    for key, (kind, name, revision) in asked.items():
        try:
            found[key] = hub.commit_of(kind, name, known.get(key, revision))
        except UsageError as error:
            if kind == "dataset":
                raise
            raise UsageError(hub.no_encoder(encoder.name, encoder.source, str(error), encoder.hint)) from error
    return found


def layout_of(config: RunConfig, registry: Registry, data: str | None = None) -> dict[str, TaskSource]:
    """The tasks of a run's data, or of other data, by name; what it recorded of the hub is taken as it was. Raises
    UsageError and DataError."""
    layout = read_layout(find_data(data or config.data, registry), Kinds(registry))
    return {name: _at(source, config.revisions) for name, source in layout.items()}


def _at(source: TaskSource, commits: Mapping[str, str]) -> TaskSource:
    """A task of the hub's data at the commit of its revision, where that is known."""
    commit = commits.get(_data_key(source.files))
    return replace(source, files=msgspec.structs.replace(source.files, revision=commit)) if commit else source


def encoder_key(name: str) -> str:
    """How the commit of an encoder is called in a configuration."""
    return f"encoder {name}"


def _data_key(files: TaskFiles) -> str:
    return f"data {files.data}" + (f"@{files.revision}" if files.revision else "")


def find_data(data: str, registry: Registry) -> Path:
    """The directory that `data` means: that of a task set, by its name, or one given as a path. Raises UsageError."""
    if registry.offers("tasks", data):
        return registry.find("tasks", data).folder()
    root = Path(data)
    try:
        if root.is_dir():
            return root
        problem = "is no directory" if root.exists() else "does not exist"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    raise UsageError(
        f"--data: {data} {problem}. It takes the directory of a corpus, or a task set by its name. "
        f"{registry.nearest('tasks', root.name)}{registry.suspects()}"
    )


def find_encoder(name: str, registry: Registry) -> EncoderSource:
    """What `name` stands for: an encoder that a plugin offers, whose folder is read as data and never imported; or else a
    directory or an id of the hub."""
    if not registry.offers("encoder", name):
        place, _, revision = (name, "", "") if is_directory(name) else name.partition("@")
        return EncoderSource(name, place, None, f"{registry.nearest('encoder', name)} ", revision or None)
    component = registry.find("encoder", name)
    source = component.place() or component.hub_id or component.folder()
    return EncoderSource(component.name, str(source), component, f"'{component.name}' is {component.summary}. ")


def _by_task(field: str, setting: PerTask[T], tasks: list[str]) -> dict[str, T]:
    """A setting by task, without those that it says nothing of. Raises UsageError for a task that there is not."""
    if not isinstance(setting, dict):
        return dict.fromkeys(tasks, setting)
    for name in setting:
        if name != "*" and name not in tasks:
            raise UsageError(f"There is no task '{name}' for {field}. {nearest(name, tasks)}")
    return {task: setting[key] for task in tasks for key in (task if task in setting else "*",) if key in setting}


def _recorded(kind: PartKind, name: str, registry: Registry) -> str:
    """What a plugin offers, by its qualified name; a directory as it is found from anywhere; any other name as it is."""
    if registry.offers(kind, name):
        return registry.find(kind, name).qualified
    return str(Path(name).resolve()) if is_directory(name) else name


@dataclass(frozen=True)
class _Asked:
    """The specs of a configuration, each read once."""

    heads: dict[str, Spec | None]  # by task, of those that it says something of
    augmenters: dict[str, Spec | None]
    shared: dict[PartKind, Spec]  # by the kind, of `SHARED`
    stages: list[Spec]
    listeners: list[Spec]
    named: list[tuple[PartKind, str]]  # all names that stand there, also for a task that has another


def _read_specs(config: RunConfig, tasks: list[str]) -> _Asked:
    """Raises UsageError for a spec that is none, and for a task that there is not."""
    heads, augmenters = (_specs(setting) for setting in (config.heads, config.augment))
    shared: dict[PartKind, Spec] = {kind: Spec.parse(getattr(config, kind)) for kind in SHARED}
    stages = [Spec.parse(text) for text in config.stages]
    listeners = [Spec.parse(text) for text in dict.fromkeys(config.listen)]
    by_kind: list[tuple[PartKind, Iterable[Spec | None]]] = [
        ("head", heads.values() if isinstance(heads, dict) else [heads]),
        ("augmenter", augmenters.values() if isinstance(augmenters, dict) else [augmenters]),
        *((kind, [spec]) for kind, spec in shared.items()),
        ("stage", stages),
        ("listener", listeners),
    ]
    return _Asked(
        heads=_by_task("heads", heads, tasks),
        augmenters=_by_task("augment", augmenters, tasks),
        shared=shared,
        stages=stages,
        listeners=listeners,
        named=[(kind, spec.name) for kind, specs in by_kind for spec in specs if spec],
    )


def _specs(setting: PerTask[str]) -> PerTask[Spec | None]:
    """A setting with its texts read; None for one that is empty, which is none."""
    if isinstance(setting, dict):
        return {task: Spec.parse(text) if text else None for task, text in setting.items()}
    return Spec.parse(setting) if setting else None


def _check_names(config: RunConfig, asked: _Asked, registry: Registry) -> None:
    """Whether everything that is named exists. Nothing heavy is imported for it, so that a slip of the pen is answered at
    once. Raises UsageError."""
    for kind, name in asked.named:
        registry.find(kind, name)
    if config.from_run is not None and not is_directory(config.from_run):
        raise UsageError(f"--from: there is no run {config.from_run}.")
    encoder = find_encoder(config.encoder, registry)
    if encoder.component is None and not is_directory(encoder.source) and _is_path(encoder.source):
        raise UsageError(f"--encoder: there is no directory {config.encoder}.")


def _check_streamed(config: RunConfig, tasks: Mapping[str, TaskPlan]) -> None:
    """Whether a run needs none of the training rows all at once. Raises UsageError."""
    without = [
        ("--augment, which enlarges text", any(t.augmenter for t in tasks.values())),
        ("--stage, which reads the texts", bool(config.stages)),
        ("--limit, which draws from all rows", any(t.limit for t in tasks.values())),
        ("a share of the rows as `dev`: give it a file", any(isinstance(t.source.files.dev, float) for t in tasks.values())),
    ]
    if unfit := [what for what, is_asked in without if is_asked]:
        raise UsageError(f"--tokens leaves training rows on disk, and cannot do with {unfit[0]}.")


def _twins(components: Iterable[Component], registry: Registry) -> list[str]:
    """A line on the names that mean the toolkit's own here, and that other packages have too."""
    used = dict.fromkeys(c for c in components if c.package == PACKAGE)
    twins = [f"{c.noun} {twin.qualified}" for c in used for twin in registry.twins(c)]
    return [f"mtk's own are used, though other packages have parts of the same names: {', '.join(twins)}"] if twins else []


def _is_path(name: str) -> bool:
    """Whether it can only be a directory: an id of the hub is a name, or an organisation and a name."""
    return name.startswith((".", "~", "/")) or name.count("/") > 1 or "\\" in name


def _ema_decay(text: str) -> float | None:
    """What `ema:decay=0.999` says; None for an empty text. Raises UsageError."""
    if not text:
        return None
    spec = Spec.parse(text)
    value = spec.options.get("decay", "0.999")
    try:
        decay = float(value)
    except ValueError:
        decay = -1.0
    if spec.name != "ema" or spec.options.keys() - {"decay"} or not 0 <= decay < 1:
        raise UsageError(f"--average {text}: it takes ema, or ema:decay=SHARE with a share from 0 to less than 1.")
    return decay
