"""From parts to a model: the encoder with its pooling, and the heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import torch

from mtk.calling.failures import call
from mtk.head import Head
from mtk.host.part import Part
from mtk.model.encoder import Encoder, Loaded, load_parts
from mtk.model.multitask import LAYER, Model, inputs_of
from mtk.pooling import Pooling
from mtk.task import Task


def build_encoder(name: str, pooling: Part, seed: int = 0, **source: Any) -> Encoder:
    """The encoder that `load_parts` finds, with a fresh pooling. Raises UsageError where one of them cannot be had."""
    return with_pooling(load_parts(name, **source), pooling, seed)


def with_pooling(loaded: Loaded, pooling: Part, seed: int = 0) -> Encoder:
    """An encoder with a fresh pooling, which begins from random numbers of its own. Raises UsageError where that cannot be
    built."""

    def build(width: int) -> Pooling:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(Random(f"{seed} pooling").getrandbits(63))
            built: Pooling = pooling.build(width=width)
        return built

    return loaded.encoder(build)


def build_model(
    encoder: Encoder,
    tasks: Sequence[Task],
    heads: Mapping[str, Part],
    max_length: int,
    seed: int = 0,
    pretrained: Encoder | None = None,
) -> Model:
    """An encoder with fresh heads, by task, which may read another one as `pretrained`. Each begins from random numbers of
    its own task's, whatever other tasks there are. Raises UsageError where one cannot be built."""
    built = {}
    for task in tasks:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(Random(f"{seed} {task.name} head").getrandbits(63))
            built[task.name] = _build_head(heads[task.name], encoder, task)
    return Model(encoder, tasks, built, max_length, pretrained)


def _build_head(part: Part, encoder: Encoder, task: Task) -> Head:
    inputs = inputs_of(part.cls.pair_encoding, task.pair)  # type: ignore[attr-defined]
    head: Head = part.build(width=encoder.width, outputs=task.kind.outputs, inputs=inputs, task=task)
    if (layer := call(task.kind, "layer")) is not None:
        head.add_module(LAYER, layer)
    return head
