"""A model as a directory of safetensors and JSON. Nothing in it is executed when it is read.

model/model.json                tasks, heads, pooling, their options, precision
model/encoder/                  the encoder as transformers reads it, with its tokenizer; an adapter is merged into it
model/adapter/                  that adapter by itself, where there is one, as peft reads it
model/pooling.safetensors       what the pooling has learned, where it learns
model/heads/TASK.safetensors
model/pretrained/               the encoder before training, where a head reads that too
model/development.safetensors   what it answered to the development sets, see `development.py`
model/manifest.json             the SHA-256 of every other file
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import msgspec
import safetensors.numpy
import safetensors.torch
from torch import Tensor, nn

from mtk.config import Precision
from mtk.engine.device import autocast_of, choose_device, choose_precision, precision_of
from mtk.errors import DataError, UsageError, in_words
from mtk.events import Evaluation
from mtk.file_form import FileForm
from mtk.files import digest, is_as_saved, is_directory, read_json, standing, write_directory
from mtk.host.contracts import PartKind
from mtk.host.kinds import KindCard, Kinds, card_of
from mtk.host.part import Part
from mtk.host.registry import PACKAGE, Registry
from mtk.host.spec import Spec
from mtk.model.adapting import is_adapted, save_adapter
from mtk.model.encoder import Encoder
from mtk.model.multitask import Model
from mtk.task import Column, Task
from mtk.training.build_model import build_encoder, build_model
from mtk.training.development import DEVELOPMENT, MANIFEST

CARD, POOLING = "model.json", "pooling.safetensors"
PRETRAINED, PRETRAINED_POOLING = "pretrained", "pretrained-pooling.safetensors"
LARGEST = 1 << 26  # bytes of either; a million labels are some ten million


class PartCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which head a task has, or which pooling the encoder, and where it came from."""

    name: str
    options: dict[str, str]
    package: str
    version: str


class TaskCard(FileForm, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task as a model holds it: `Task`, with what its kind can be made of again."""

    name: str
    kind: dict[str, Any]  # a KindCard; up to format 2 the kind itself, one of three
    text: tuple[Column, ...]
    label: Column
    id: str | None = None
    group: str | None = None
    prediction: str | None = None
    score: str | None = None
    weight: float = 1.0


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What model.json holds. Format 1, of 0.1, had the checksums in it and no precision; format 2 knew three kinds; formats
    1 and 2 had two poolings, which were no parts."""

    format: Literal[1, 2, 3]
    pooling: PartCard | Literal["mean", "cls"]
    max_length: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    tasks: list[TaskCard]
    heads: dict[str, PartCard]
    files: dict[str, str] = {}
    precision: Precision = "auto"  # that it was trained and evaluated in
    evaluation: Evaluation | None = None  # the one that it was kept for


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What manifest.json holds, which is written last."""

    format: Literal[1]
    files: dict[str, str]  # path in the model's directory -> SHA-256, of every other file


def save(
    model: Model, pooling: Part, heads: Mapping[str, Part], directory: Path, evaluation: Evaluation | None = None
) -> None:
    """Write the model, whose pooling and heads are of these parts, to `directory`, in place of what is there. A death at any
    moment leaves the one or the other. Raises MtkError where it cannot be written."""
    write_directory(directory, partial(fill, model, pooling, heads, evaluation))


def fill(
    model: Model,
    pooling: Part,
    heads: Mapping[str, Part],
    evaluation: Evaluation | None,
    directory: Path,
    *,
    answers: Mapping[str, Any] | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write its files to an empty directory, with what it answered to the development sets. `weights` are the encoder's
    state, where that is sharded. Raises OSError, and SafetensorError in its place."""
    card = Card(
        format=3,
        pooling=_card(pooling),
        max_length=model.max_length,
        precision=precision_of(model.autocast),
        tasks=[_task_card(task) for task in model.tasks.values()],
        heads={task: _card(part) for task, part in heads.items()},
        evaluation=evaluation,
    )
    (directory / "heads").mkdir()
    model.encoder.save(directory / "encoder", weights)
    if is_adapted(model.encoder.backbone):
        save_adapter(model.encoder.backbone, directory / "adapter")
    if state := model.encoder.pooling.state_dict():
        whole = {name: weights[f"pooling.{name}"] for name in state} if weights else state
        safetensors.torch.save_file(whole, directory / POOLING)
    if model.pretrained:
        model.pretrained.save(directory / PRETRAINED)
        if state := model.pretrained.pooling.state_dict():
            safetensors.torch.save_file(state, directory / PRETRAINED_POOLING)
    for task in model.tasks:
        safetensors.torch.save_file(model.head(task).state_dict(), directory / "heads" / f"{task}.safetensors")
    if answers:
        safetensors.numpy.save_file(dict(answers), directory / DEVELOPMENT)
    (directory / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card)))
    files = {p.relative_to(directory).as_posix(): digest(p) for p in sorted(directory.rglob("*")) if p.is_file()}
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(Manifest(1, files))))


def evaluation_of(directory: Path) -> Evaluation | None:
    """How well the model did that is saved there, where that was known. Raises DataError where it is not what was saved."""
    directory = standing(directory)
    return _verified(directory)[1].evaluation


def tasks_of(path: Path, registry: Registry) -> dict[str, Task]:
    """The tasks of the model of a run, by name. Raises DataError where it is damaged, UsageError where the package of a
    kind is missing."""
    card, kinds = _read_card(standing(path / "model")), Kinds(registry)
    return {task.name: _task(task, card, kinds) for task in card.tasks}


def load(
    path: str | Path,
    *,
    device: str = "auto",
    precision: Precision | None = None,
    registry: Registry | None = None,
) -> Model:
    """The model of a run, ready to predict. `path` is a run's directory, or the `model` directory in it. It
    computes in the precision that the run had, or in another one: `precision`.

    Raises DataError where it is no such directory, or one that was truncated or edited; UsageError where a head's plugin
    is missing or the device is not there.
    """
    directory, card = _verified(Path(path))
    registry = registry or Registry()
    heads = {task: _find("head", head, f"Task '{task}'", registry) for task, head in card.heads.items()}
    pooling = _find("pooling", _pooling(card), "The encoder", registry)
    place = choose_device(device)
    tasks = [_task(task, card, Kinds(registry)) for task in card.tasks]
    encoder = build_encoder(str(directory / "encoder"), pooling)
    model = build_model(encoder, tasks, heads, card.max_length, pretrained=_pretrained(directory, card, pooling))
    for task, head in card.heads.items():
        _fill(model.head(task), directory / "heads" / f"{task}.safetensors", head, heads[task])
    if encoder.pooling.state_dict():
        _fill(encoder.pooling, directory / POOLING, _pooling(card), pooling)
    model.autocast = autocast_of(choose_precision(precision or card.precision, place))
    return model.to(place).eval()


def _pretrained(directory: Path, card: Card, pooling: Part) -> Encoder | None:
    """The encoder before training, where it was saved; with a pooling that begins anew, where it was saved with another."""
    if not (directory / PRETRAINED).is_dir():
        return None
    encoder, saved = build_encoder(str(directory / PRETRAINED), pooling), _pooling(card)
    if encoder.pooling.state_dict() and _is_of(pooling, saved):
        _fill(encoder.pooling, directory / PRETRAINED_POOLING, saved, pooling)
    return encoder


def _task_card(task: Task) -> TaskCard:
    values = {name: getattr(task, name) for name in TaskCard.__struct_fields__}
    return TaskCard(**{**values, "kind": msgspec.to_builtins(card_of(task.kind))})


def _task(card: TaskCard, model: Card, kinds: Kinds) -> Task:
    """Raises UsageError where the package of its kind is missing."""
    try:
        known = card.kind
        if model.format < 3:
            bounds = (known["low"], known["high"]) if "low" in known else None
            known = {"name": known["kind"], "labels": known.get("labels"), "range": bounds}
            known |= {"package": PACKAGE, "version": ""}
        kind = msgspec.convert(known, KindCard)
    except (KeyError, msgspec.ValidationError) as error:
        raise DataError(f"{CARD} is not what was saved: the kind of task '{card.name}' is none: {error}.") from None
    try:
        made = kinds.restore(kind)
    except UsageError as error:
        raise UsageError(
            f"Task '{card.name}' was trained as of the kind '{kind.name}' of {kind.package} {kind.version}, which cannot be "
            f"had: {error}"
        ) from None
    return Task(**{name: getattr(card, name) for name in TaskCard.__struct_fields__} | {"kind": made})


def take_parts(model: Model, pooling: Part, heads: Mapping[str, Part], path: Path) -> list[str]:
    """Let the pooling of `model` and those of its heads, which are of these parts, that the run in `path` has too begin as
    they ended there: of the same task, kind, name and options; what these read as the encoder before training stays what it
    was there. A line for each that it has not. Raises DataError for a run that is damaged."""
    directory, card = _verified(path)
    kinds = Kinds(Registry())
    former = {task.name: _task(task, card, kinds) for task in card.tasks}
    notes = []
    for name, task in model.tasks.items():
        part, head = heads[name], card.heads.get(name)
        if head is None or former[name].kind != task.kind or not _is_of(part, head):
            had = f"{former[name].kind} with {head.package}/{head.name}" if head else "no such task"
            notes.append(f"{name}: its head begins anew, for {path} has {had}")
        else:
            _fill(model.head(name), directory / "heads" / f"{name}.safetensors", head, part)
    if model.pretrained and (before := _pretrained(directory, card, pooling)):
        model.keep(before)
    if model.encoder.pooling.state_dict():
        saved = _pooling(card)
        if _is_of(pooling, saved):
            _fill(model.encoder.pooling, directory / POOLING, saved, pooling)
        else:
            notes.append(f"the pooling begins anew, for {path} has {saved.package}/{saved.name}")
    return notes


def _card(part: Part) -> PartCard:
    return PartCard(part.component.name, part.spec.options, part.component.package, part.component.version)


def _pooling(card: Card) -> PartCard:
    return card.pooling if isinstance(card.pooling, PartCard) else PartCard(card.pooling, {}, PACKAGE, "")


def _is_of(part: Part, card: PartCard) -> bool:
    """Whether it is the same part, with the same options."""
    asked = (part.component.package, part.component.name, part.spec.options)
    return asked == (card.package, card.name, card.options)


def _fill(module: nn.Module, file: Path, card: PartCard, part: Part) -> None:
    try:
        module.load_state_dict(safetensors.torch.load_file(file))
    except Exception as error:  # safetensors' own errors, or torch's RuntimeError over names and shapes
        installed = part.component
        raise DataError(
            f"{file} does not fit the {installed.noun} '{card.name}': it was saved with {card.package} {card.version}, and "
            f"{installed.package} {installed.version} is installed. {error}"
        ) from error


def _verified(path: Path) -> tuple[Path, Card]:
    """The directory of the model of a run, and its card, when every file in it was found to be as it was saved."""
    if not is_directory(path):
        raise DataError(f"{path} holds no model: it is no directory. Give a run's.")
    directory = path if (path / CARD).is_file() else standing(path / "model")
    card = _read_card(directory)
    for name, checksum in _checksums(directory, card).items():
        try:
            _check_file(directory, name, checksum)
        except (OSError, ValueError) as error:  # of a name that can be none, or of a file that cannot be read
            raise DataError(f"{directory} holds no whole model: {in_words(error)}.") from None
    return directory, card


def _find(kind: PartKind, card: PartCard, whose: str, registry: Registry) -> Part:
    """The part as it was trained: that of its own package, whoever else offers the name by now."""
    own = f"{card.package}/{card.name.rpartition('/')[2]}"
    try:
        registry.find(kind, own)
    except UsageError:
        raise UsageError(
            f"{whose} was trained with the {kind} '{card.name}' of {card.package} {card.version}, which is not here. "
            f"Install that package; `mtk list` shows what there is.{registry.suspects()}"
        ) from None
    return registry.part(kind, Spec(own, card.options))


def _read_card(directory: Path) -> Card:
    if not (directory / CARD).exists():
        raise DataError(f"{directory.parent} holds no model: there is no {directory / CARD}. Give a run's directory.")
    card = read_json(directory / CARD, "a part of a model", LARGEST, Card)
    missing = {task.name for task in card.tasks} ^ card.heads.keys()
    if missing or not card.tasks:
        raise DataError(f"{directory / CARD} is not what was saved: its tasks and its heads differ.")
    if unfit := [task.name for task in card.tasks if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", task.name)]:
        raise DataError(f"{directory / CARD} is not what was saved: {unfit[0]!r} names no task.")
    return card


def _checksums(directory: Path, card: Card) -> dict[str, str]:
    """Of every file of the model but the one that says so."""
    files = card.files
    if card.format > 1:
        files = read_json(directory / MANIFEST, "a part of a model", LARGEST, Manifest).files
    needed = {f"heads/{task.name}.safetensors" for task in card.tasks} | ({CARD} if card.format > 1 else set())
    if absent := sorted(needed - files.keys()):
        raise DataError(f"{directory / MANIFEST} is not what was saved: it does not name {absent[0]}.")
    return files


def _check_file(directory: Path, name: str, checksum: str) -> None:
    """Raises DataError unless it is a regular file of the directory with this content."""
    file = directory / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise DataError(f"{directory}: '{name}' lies outside of the model. It is not what was saved.")
    if not file.exists():
        raise DataError(f"{file} is missing: the model is incomplete. Train it again or restore the file.")
    inside = file.resolve().is_relative_to(directory.resolve())
    if not (inside and is_as_saved(file, checksum)):
        raise DataError(f"{file} is not what was saved: it was truncated or edited. Train again or restore the file.")
