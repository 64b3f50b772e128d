"""A rehearsal leaves the model and everything random as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtk.data.layout import read_tasks
from mtk.encoder import load_encoder
from mtk.model import Model
from mtk.registry import Registry
from mtk.rehearsal import rehearse
from mtk.spec import Spec


@pytest.mark.parametrize("combiner", ["sum", "round-robin", "pcgrad", "uw", "graddrop"])
def test_it_leaves_no_trace(tiny_corpus: Path, tiny_encoder: Path, combiner: str) -> None:
    registry, data = Registry(), read_tasks(tiny_corpus)
    heads = {"sst": Spec("cnn"), "para": Spec("linear"), "sts": Spec("concat-mlp")}
    model = Model(load_encoder(str(tiny_encoder), "mean"), [d.task for d in data.values()], heads, 64, registry)
    model.heads.append(torch.nn.BatchNorm1d(3))
    model.head("sst").register_forward_hook(lambda _, __, logits: model.heads[-1](logits))  # it counts its batches
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    train = {name: model.tokenize(name, d.train) for name, d in data.items()}

    rehearse(model, registry.build("combiner", Spec(combiner), list(data)), train)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
