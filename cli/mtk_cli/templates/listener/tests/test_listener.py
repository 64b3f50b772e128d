"""A run calls the listener, and it takes nothing from the run."""

from pathlib import Path
from typing import Any

import mtk
import pytest
from mtk.testing import tiny_encoder


def test_it_hears_a_run(
    part: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = mtk.run(
        encoder=str(tiny_encoder(tmp_path / "encoder")),
        listen=[part.qualified],
        limit=8,
        epochs=2,
        out=tmp_path / "run",
        device="cpu",
    )
    assert caplog.messages == []  # such as that the listener failed
    header, *rows = (run.out / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert {"epoch", "step", "sst", "para", "sts"} == set(header.split(","))
    assert [row.split(",")[0] for row in rows] == ["1", "2"]
