"""`mtk report` writes a page and says what is in it; a mistake is one message, and no page."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import invoke


def test_it_writes_one_page(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    out = tmp_path / "page.html"
    result = invoke("report", str(finished), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{out}: 0.") and "How it learned" in result.output
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_what_is_no_run_is_answered(tmp_path: Path) -> None:
    result = invoke("report", str(tmp_path / "none"), "--out", str(tmp_path / "page.html"))
    assert result.exit_code == 1 and "neither a run nor a sweep" in result.output
    assert not (tmp_path / "page.html").exists()
    assert invoke("report").exit_code == 2
