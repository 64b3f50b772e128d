"""A run trains with it, and its steps are finite."""

from pathlib import Path
from typing import Any

import mtk
from mtk.testing import tiny_encoder


def test_a_run_takes_it(part: Any, tmp_path: Path) -> None:
    run = mtk.run(
        encoder=str(tiny_encoder(tmp_path / "encoder")),
        stages=[part.qualified],
        limit=8,
        epochs=2,
        out=tmp_path / "run",
        device="cpu",
    )
    assert run.best is not None
    config = (run.out / "config.toml").read_text(encoding="utf-8")
    assert f"{part.package} {part.version}" in config
