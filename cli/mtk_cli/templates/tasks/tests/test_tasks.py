"""What every task set has to do, and room for what yours promises beyond that."""

import tomllib
from pathlib import Path
from typing import Any

import mtk
from mtk.testing import tiny_encoder


def test_every_row_reads_and_every_task_trains(part: Any, tmp_path: Path) -> None:
    run = mtk.run(
        data=part.qualified,
        encoder=str(tiny_encoder(tmp_path / "encoder")),
        steps=1,
        out=tmp_path / "run",
        device="cpu",
    )
    assert run.best is not None
    tables = tomllib.loads((part.folder() / "tasks.toml").read_text(encoding="utf-8"))
    assert run.best.metrics.keys() == tables.keys()
