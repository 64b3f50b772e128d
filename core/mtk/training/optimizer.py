"""The optimizer: its parameter groups, their rates, and which layers are not trained at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mtk.config import RunConfig
from mtk.engine.layers import by_layer
from mtk.engine.processes import Processes
from mtk.engine.sharding import gathered, sharded
from mtk.errors import UsageError, in_words, nearest
from mtk.host.part import Part
from mtk.model.multitask import Model


def build_optimizer(
    part: Part, model: Model, combiner: nn.Module, config: RunConfig, *, capturable: bool
) -> torch.optim.Optimizer:
    """Matrices decay; vectors (biases, normalisation) and the combiner's parameters do not. A `capturable` one can be
    recorded: its learning rates are on the device, where a replay reads them. Raises UsageError where it cannot be built."""
    members = [
        *_of_encoder(model, config),
        (model.heads.parameters(), config.head_learning_rate, config.weight_decay),
        (combiner.parameters(), config.head_learning_rate, 0.0),
    ]
    return _build(part, members, config.learning_rate, model.device if capturable else None)


def build_stage_optimizer(
    part: Part, model: Model, stage: nn.Module, config: RunConfig, learning_rate: float
) -> torch.optim.Optimizer:
    """The same for the encoder at another rate, and for what a stage has itself; the heads have no part in it."""
    members = [
        *_of_encoder(model, msgspec.structs.replace(config, learning_rate=learning_rate)),
        (stage.parameters(), config.head_learning_rate, config.weight_decay),
    ]
    return _build(part, members, learning_rate, None)


_Members = tuple[Iterable[nn.Parameter], float, float]
"""Some parameters, their rate, and their decay."""


def _build(
    part: Part, members: Iterable[_Members], highest: float, recorded_on: torch.device | None
) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = []
    for parameters, rate, decay in members:
        trained = [p for p in parameters if p.requires_grad]
        groups.append({"params": [p for p in trained if p.ndim > 1], "lr": rate, "weight_decay": decay})
        groups.append({"params": [p for p in trained if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    if recorded_on:
        for group in groups:
            group["lr"] = torch.tensor(group["lr"], device=recorded_on)
    # of torch's fused steps, Adam's alone is one of sharded parameters
    fused = issubclass(part.cls, torch.optim.Adam) or not any(isinstance(p, DTensor) for g in groups for p in g["params"])
    offered: dict[str, Any] = {"params": groups, "lr": highest, "fused": fused}
    built: torch.optim.Optimizer = part.build(**offered, **({"capturable": True} if recorded_on else {}))
    return built


def check_sharded(part: Part, processes: Processes, device: torch.device) -> None:
    """Raises UsageError for an optimizer that does not do the same to parameters that are sharded as to such as are whole:
    two small steps show it."""

    def stepped(parameters: list[nn.Parameter]) -> list[Tensor]:
        optimizer = _build(part, [(parameters, 0.1, 0.01)], 0.1, None)
        for step in (1, 2):
            for parameter in parameters:
                parameter.grad = torch.sin(step + parameter.detach())
            optimizer.step()
        return list(gathered({str(n): p.detach() for n, p in enumerate(parameters)}, Processes()).values())

    rows = processes.count + 1  # of which some process has none
    values = [torch.linspace(-1, 1, 4 * rows).view(rows, 4), torch.linspace(-1, 1, rows)]
    whole = stepped([nn.Parameter(value.clone().to(device)) for value in values])
    try:
        parts = stepped([nn.Parameter(sharded(value, device)) for value in values])
    except (RuntimeError, NotImplementedError) as error:
        reason = f"cannot step with what is sharded ({in_words(error)})"
    else:
        if all(torch.allclose(*pair, atol=1e-6, rtol=1e-5) for pair in zip(parts, whole, strict=True)):
            return
        reason = "makes another step of what is sharded"
    raise UsageError(f"--shard: --optimizer {part.text} {reason}. Leave --shard out, or the other.")


def freeze_layers(backbone: nn.Module, text: str) -> None:
    """Take the layers that `text` names, such as `embeddings,0-3`, out of training. A number is that of a block,
    counted from 0. Raises UsageError for one that there is not."""
    layers = by_layer(backbone.named_parameters(), frozen=True)
    blocks = [name for name in layers if re.search(r"\.\d+$", name)]
    for item in filter(None, text.split(",")):
        if found := re.fullmatch(r"(\d+)(?:-(\d+))?", item):
            first, last = int(found[1]), int(found[2] or found[1])
            names = blocks[first : last + 1] if first <= last < len(blocks) else []
        else:
            names = [name for name in layers if name == item]
        if not names:
            others = [name for name in layers if name not in blocks]
            instead = f"its layers are {', '.join(others)}, and blocks 0 to {len(blocks) - 1}"
            raise UsageError(f"--freeze: the encoder has no layer '{item}': {instead}. {nearest(item, layers)}")
        for name in names:
            for parameter in layers[name]:
                parameter.requires_grad_(False)
    if text and not any(p.requires_grad for p in backbone.parameters()):
        raise UsageError(f"--freeze {text} leaves nothing of the encoder to train; leave out one layer at least.")


def _of_encoder(model: Model, config: RunConfig) -> list[_Members]:
    """With a decay of the rate by layer, each layer by itself: the last one has the whole rate. A pooling begins from
    nothing, as heads do."""
    pooling: _Members = (model.encoder.pooling.parameters(), config.head_learning_rate, config.weight_decay)
    if config.layer_decay == 1:
        return [(model.encoder.backbone.parameters(), config.learning_rate, config.weight_decay), pooling]
    layers = list(by_layer(model.encoder.backbone.named_parameters(), frozen=True).values())
    by_depth: list[_Members] = [
        (parameters, config.learning_rate * config.layer_decay ** (len(layers) - 1 - depth), config.weight_decay)
        for depth, parameters in enumerate(layers)
    ]
    return [*by_depth, pooling]
