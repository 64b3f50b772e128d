"""A head begins from random numbers of its own task's."""

from __future__ import annotations

from pathlib import Path

import building
import torch
from three_tasks import TASKS

from mtk.training.build_model import build_model


def test_a_head_begins_alike_whatever_other_tasks_there_are(tiny_encoder: Path) -> None:
    heads = {name: building.REGISTRY.part("head", "linear") for name in ("sst", "para", "sts")}
    encoder = building.encoder(tiny_encoder)
    several = build_model(encoder, TASKS, heads, 32, seed=1)
    alone = build_model(encoder, TASKS[1:2], heads, 32, seed=1)
    other = build_model(encoder, TASKS[1:2], heads, 32, seed=2)
    weights = [model.head("para").score.weight for model in (several, alone, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
