"""Four real runs, small enough to train in a second or two: two rows with two seeds each."""

from __future__ import annotations

from pathlib import Path

import pytest

import mtk


@pytest.fixture(scope="session")
def study(tiny_corpus: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of runs: `plain` heads with summed losses, unmeasured, and `surgery`, measured in each layer."""
    root = tmp_path_factory.mktemp("study")
    common = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "epochs": 2, "batch_size": 8, "device": "cpu"}
    rows = {"plain": {"heads": "linear"}, "surgery": {"combiner": "pcgrad", "cosines": "layer"}}
    for row, settings in rows.items():
        for seed in (0, 1):
            mtk.run(out=root / f"{row}-{seed}", seed=seed, **common, **settings)
    return root


@pytest.fixture(scope="session")
def run(study: Path) -> Path:
    """One that was measured."""
    return study / "surgery-0"
