"""A dry run leaves the model and everything random as they were."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
import torch

from mtk.training.dry_run import dry_run


@pytest.mark.parametrize("combiner", ["sum", "round-robin", "pcgrad", "uw", "graddrop"])
def test_it_leaves_no_trace(tiny_corpus: Path, tiny_encoder: Path, combiner: str) -> None:
    data = building.read_tasks(tiny_corpus)
    heads = {"sst": "cnn", "para": "linear", "sts": "concat-mlp"}
    model = building.model(tiny_encoder, [d.task for d in data.values()], heads)
    model.heads.append(torch.nn.BatchNorm1d(3))
    model.head("sst").register_forward_hook(lambda _, __, logits: model.heads[-1](logits))  # it counts its batches
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    train = {name: model.tokenize(name, d.train) for name, d in data.items()}

    dry_run(model, building.combiner(combiner, list(data)), train, packed=True)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
