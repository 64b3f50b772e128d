"""The methods that come with mtk: each trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import REGISTRY
from learnable import KINDS, make_task, split, train
from published import TASKS

NAMES = [c.name for c in REGISTRY.components if c.plugin == "optimizers" and c.kind == "combiner"]


@pytest.mark.parametrize("name", NAMES)
def test_it_trains(tiny_encoder: Path, name: str) -> None:
    tasks = [make_task(task, kind, pair=False) for task, kind in zip(TASKS, KINDS, strict=True)]
    splits = {task.name: split(task.kind, False, seed) for seed, task in enumerate(tasks)}
    spec = f"{name}:baseline=0.5/0.7/0.8" if name == "pivrg" else name
    before, after = train(tiny_encoder, tasks, splits, dict.fromkeys(TASKS, "linear"), spec)
    assert after < 0.95 * before
