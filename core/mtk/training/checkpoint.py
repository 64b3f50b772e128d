"""A model as a directory of safetensors and JSON. Nothing in it is executed when it is read.

model/model.json                tasks, heads and their options, pooling; the SHA-256 of every other file
model/encoder/                  the encoder as transformers reads it, with its tokenizer
model/heads/TASK.safetensors
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
import safetensors.torch

from mtk.config import Precision
from mtk.engine.device import autocast_of, choose_device, choose_precision
from mtk.errors import DataError, UsageError
from mtk.host.part import Part
from mtk.host.registry import Registry
from mtk.host.spec import Spec
from mtk.model.encoder import load_encoder
from mtk.model.multitask import Model
from mtk.task import Task
from mtk.training.build import build_model

CARD = "model.json"


class HeadCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which head a task has, and where it came from."""

    name: str
    options: dict[str, str]
    package: str
    version: str


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What model.json holds."""

    format: Literal[1]
    pooling: Literal["mean", "cls"]
    max_length: int
    tasks: list[Task]
    heads: dict[str, HeadCard]
    files: dict[str, str]  # path in the model's directory -> SHA-256
    precision: Precision = "auto"  # that it was trained and evaluated in; 0.1 did not say


def save(model: Model, heads: Mapping[str, Part], directory: Path) -> None:
    """Write the model, whose heads are of these parts, to `directory`, in place of what is there. A crash in between leaves
    the one or the other."""
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "heads").mkdir(parents=True)
    model.encoder.save(partial / "encoder")
    for task in model.tasks:
        safetensors.torch.save_file(model.head(task).state_dict(), partial / "heads" / f"{task}.safetensors")
    card = Card(
        format=1,
        pooling=model.encoder.pooling,
        max_length=model.max_length,
        precision="fp32" if model.autocast is None else "bf16",
        tasks=list(model.tasks.values()),
        heads={
            task: HeadCard(p.component.name, p.spec.options, p.component.package, p.component.version)
            for task, p in heads.items()
        },
        files={path.relative_to(partial).as_posix(): _digest(path) for path in sorted(partial.rglob("*")) if path.is_file()},
    )
    (partial / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card)))
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)


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
    path = Path(path)
    directory = path if (path / CARD).is_file() else path / "model"
    card = _read_card(directory)
    for name, digest in card.files.items():
        file = directory / name
        if not file.is_file():
            raise DataError(f"{file} is missing: the model is incomplete. Train it again or restore the file.")
        if _digest(file) != digest:
            raise DataError(f"{file} is not what was saved: it was truncated or edited. Train again or restore the file.")
    registry = registry or Registry()
    heads = {task: _find_head(task, head, registry) for task, head in card.heads.items()}
    place = choose_device(device)
    encoder = load_encoder(str(directory / "encoder"), card.pooling)
    model = build_model(encoder, card.tasks, heads, card.max_length)
    for task, head in card.heads.items():
        file = directory / "heads" / f"{task}.safetensors"
        try:
            model.head(task).load_state_dict(safetensors.torch.load_file(file))
        except Exception as error:  # safetensors' own errors, or torch's RuntimeError over names and shapes
            installed = heads[task].component
            raise DataError(
                f"{file} does not fit the head '{head.name}': it was saved with {head.package} {head.version}, and "
                f"{installed.package} {installed.version} is installed. {error}"
            ) from error
    model.autocast = autocast_of(choose_precision(precision or card.precision, place))
    return model.to(place).eval()


def _find_head(task: str, head: HeadCard, registry: Registry) -> Part:
    """The head as it was trained: that of its own package, whoever else offers the name by now."""
    own = f"{head.package}/{head.name.rpartition('/')[2]}"
    try:
        registry.find("head", own)
    except UsageError:
        raise UsageError(
            f"Task '{task}' was trained with the head '{head.name}' of {head.package} {head.version}, which is not here. "
            f"Install that package; `mtk list` shows what there is.{registry.suspects()}"
        ) from None
    return registry.part("head", str(Spec(own, head.options)))


def _read_card(directory: Path) -> Card:
    try:
        card = msgspec.json.decode((directory / CARD).read_bytes(), type=Card)
    except OSError:
        raise DataError(
            f"{directory.parent} holds no model: there is no {directory / CARD}. Give a run's directory."
        ) from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"{directory / CARD} is not what was saved: it was truncated or edited. {error}") from None
    missing = {task.name for task in card.tasks} ^ card.heads.keys()
    if missing or not card.tasks:
        raise DataError(f"{directory / CARD} is not what was saved: its tasks and its heads differ.")
    return card


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
