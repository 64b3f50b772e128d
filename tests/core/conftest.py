"""A finished run, which tests of several rooms read and none writes to."""

from __future__ import annotations

from pathlib import Path

import pytest

import mtk

SETTINGS = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "max_length": 32, "device": "cpu"}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_encoder: Path) -> mtk.Result:
    out = tmp_path_factory.mktemp("runs") / "one"
    return mtk.run(
        out=out, data=str(tiny_corpus), encoder=str(tiny_encoder), combiner="pcgrad", heads={"para": "cosine"}, **SETTINGS
    )
