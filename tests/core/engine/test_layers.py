"""The layers of an encoder: its embeddings, each block and what follows, in the order of the encoder."""

from __future__ import annotations

from typing import Any

import building
import pytest
import torch
from torch import nn
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
)

from mtk.engine.layers import by_layer, layer_of

SIZE: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 8,
    "pad_token_id": 0,
}  # fmt: skip
BLOCKS = ["encoder.layer.0", "encoder.layer.1", "encoder.layer.2"]
FAMILIES: dict[str, tuple[PreTrainedConfig, list[str]]] = {
    "bert": (BertConfig(**SIZE), ["embeddings", *BLOCKS]),
    "roberta": (RobertaConfig(**SIZE), ["embeddings", *BLOCKS]),
    "electra": (ElectraConfig(**SIZE, embedding_size=4), ["embeddings", "embeddings_project", *BLOCKS]),
    "distilbert": (
        DistilBertConfig(vocab_size=40, dim=8, n_layers=3, n_heads=2, hidden_dim=8),
        ["embeddings", "transformer.layer.0", "transformer.layer.1", "transformer.layer.2"],
    ),
    "modernbert": (
        ModernBertConfig(**SIZE, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2),
        ["embeddings", "layers.0", "layers.1", "layers.2", "final_norm"],
    ),
    # one block's weights, which every layer uses
    "albert": (
        AlbertConfig(**SIZE, embedding_size=4), ["embeddings", "encoder", "encoder.albert_layer_groups.0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_have_the_names_and_the_order_of_the_encoder(family: str) -> None:
    config, names = FAMILIES[family]
    backbone = building.untaught(AutoModel.from_config(config)).backbone
    layers = by_layer(backbone.named_parameters())
    assert list(layers) == names
    members = [parameter for layer in layers.values() for parameter in layer]
    assert len(members) == len({id(p) for p in members}) == len(list(backbone.parameters())), "each in one layer"


def test_what_is_frozen_is_in_no_layer() -> None:
    backbone = AutoModel.from_config(FAMILIES["bert"][0], add_pooling_layer=False)
    backbone.embeddings.requires_grad_(False)
    backbone.encoder.layer[1].output.requires_grad_(False)
    layers = by_layer(backbone.named_parameters())
    assert list(layers) == BLOCKS
    assert len(layers[BLOCKS[1]]) < len(layers[BLOCKS[0]])


@pytest.mark.parametrize(
    ("parameter", "layer"),
    [
        ("layers.11.attn.Wqkv.weight", "layers.11"),
        ("encoder.layer.3.experts.2.weight", "encoder.layer.3"),
        ("final_norm.weight", "final_norm"),
        ("scale", "scale"),
        ("layer2.weight", "layer2"),
    ],
)
def test_a_block_is_the_first_number_of_a_name(parameter: str, layer: str) -> None:
    assert layer_of(parameter) == layer
    assert list(by_layer([(parameter, nn.Parameter(torch.ones(1)))])) == [layer]
