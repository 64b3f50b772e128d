"""The layers of an encoder: what a combiner with `scope = "layer"` decides for one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from mtk.model.encoder import Encoder

POOLING = "pooling"

# The name of a parameter up to its first number, which is that of a block: encoder.layer.3, transformer.layer.3, layers.3.
_BLOCK = re.compile(r".*?\.\d+(?=\.)")


def layer_of(parameter: str) -> str:
    """The layer that a parameter of this name is in: its block, or else the module that it is in at the top, such as
    `embeddings`."""
    block = _BLOCK.match(parameter)
    return block[0] if block else parameter.partition(".")[0]


def by_layer(parameters: Iterable[tuple[str, nn.Parameter]], *, frozen: bool = False) -> dict[str, list[nn.Parameter]]:
    """The parameters that are trained, or with `frozen` all of them, by layer, in their order."""
    layers: dict[str, list[nn.Parameter]] = {}
    for name, parameter in parameters:
        if frozen or parameter.requires_grad:
            layers.setdefault(layer_of(name), []).append(parameter)
    return layers


def shared_layers(encoder: Encoder) -> dict[str, list[nn.Parameter]]:
    """The parameters that all tasks train together: those of the backbone's layers and, after them, the pooling's."""
    layers = by_layer(encoder.backbone.named_parameters())
    pooling = [parameter for parameter in encoder.pooling.parameters() if parameter.requires_grad]
    return {**layers, POOLING: pooling} if pooling else layers
