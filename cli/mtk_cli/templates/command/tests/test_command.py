"""The command, as a user calls it."""

from pathlib import Path
from typing import Any

import mtk
import pytest
from click.testing import CliRunner
from mtk.testing import tiny_encoder


def test_it_prints_what_a_run_came_to(part: Any, tmp_path: Path) -> None:
    run = mtk.run(
        encoder=str(tiny_encoder(tmp_path / "encoder")),
        limit=8,
        steps=1,
        out=tmp_path / "run",
        device="cpu",
    )
    assert run.best is not None
    result = CliRunner().invoke(part.load(), [str(run.out)])
    assert result.output == f"{run.best.average:.4f}  {run.out}\n"
    assert result.exit_code == 0


def test_a_directory_without_a_run_is_named(part: Any, tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match=tmp_path.name):
        CliRunner().invoke(part.load(), [str(tmp_path)], catch_exceptions=False)
