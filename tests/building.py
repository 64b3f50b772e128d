"""Models, combiners, engines and data as a run makes them, in a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinds import KINDS
from torch import nn

from mtk.combiner import Combiner
from mtk.data.split import TaskData
from mtk.data.tasks_toml import read_layout, read_task
from mtk.engine.adjusted import adjusted
from mtk.engine.gradients import Engine
from mtk.engine.packing import why_plain
from mtk.host.part import Part
from mtk.host.registry import Registry
from mtk.model.encoder import Encoder
from mtk.model.multitask import Model
from mtk.plan import find_encoder
from mtk.task import Task
from mtk.training.build_model import build_encoder, build_model
from mtk.training.trainer import Recipe

REGISTRY = Registry()


NEEDED = {
    "constant": ":weights=1/0.5/0.5",
    "cosmos": ":weights=1/1/1,lambda_=0.1",
    "pbi": ":weights=1/1/1",
    "pivrg": ":baseline=0.5/0.7/0.8",
}
"""The options that a combiner of three tasks cannot be built without, as they follow its name."""


def recipe(sampler: str = "equal", optimizer: str = "adamw", schedule: str = "linear", **more: Any) -> Recipe:
    parts = (("sampler", sampler), ("optimizer", optimizer), ("schedule", schedule))
    return Recipe(*(REGISTRY.part(kind, text) for kind, text in parts), **more)  # type: ignore[arg-type]


def pooling(text: str = "mean") -> Part:
    return REGISTRY.part("pooling", text)


def encoder(name: str | Path, text: str = "mean", **how: Any) -> Encoder:
    """The encoder in a directory, with a pooling."""
    return build_encoder(str(name), pooling(text), **how)


def untaught(backbone: nn.Module, text: str = "mean", width: int | None = None) -> Encoder:
    """One without a tokenizer."""
    width = width or backbone.config.hidden_size  # type: ignore[union-attr,assignment]
    return Encoder(backbone, None, pooling(text).build(width=width))


def model(encoder: Encoder | Path, tasks: Sequence[Task], heads: Mapping[str, str] | str, max_length: int = 64) -> Model:
    """Heads by task, or one for every task."""
    built = encoder if isinstance(encoder, Encoder) else build_encoder(str(encoder), pooling())
    texts = dict.fromkeys([task.name for task in tasks], heads) if isinstance(heads, str) else heads
    return build_model(built, tasks, {name: REGISTRY.part("head", text) for name, text in texts.items()}, max_length)


def combiner(text: str, tasks: Sequence[str]) -> Combiner:
    part = REGISTRY.part("combiner", text)
    return adjusted(part.build(tasks=list(tasks)), part.framework)


def engine(model: Model, combiner: Combiner, *, names: Sequence[str] = ("input_ids",), **settings: Any) -> Engine:
    """In the packed form where a run would choose that."""
    return Engine(model, combiner, packed=why_plain(model.encoder, names) is None, **settings)


def read_tasks(root: Path, limits: Mapping[str, int] | None = None, **how: Any) -> dict[str, TaskData]:
    layout = read_layout(root, KINDS)
    return {name: read_task(source, limit=(limits or {}).get(name), **how) for name, source in layout.items()}


def named_encoder(name: str) -> Encoder:
    """One that a plugin offers."""
    found = find_encoder(name, REGISTRY)
    return build_encoder(found.name, pooling(), source=found.source, hint=found.hint)
