"""`mtk augment`: a file made larger."""

from __future__ import annotations

from pathlib import Path

from command_line import SAMPLE, invoke


def test_augment_writes_each_row_and_its_copies(tmp_path: Path) -> None:
    source, out = SAMPLE / "sst-dev.csv", tmp_path / "more.csv"
    rows = len(source.read_text().splitlines()) - 1
    asked = ("augment", str(source), "--with", "random-swap:copies=2", "--out", str(out))
    assert invoke(*asked).stdout == f"{out}: {3 * rows:,} rows from {rows:,} of {source}\n"
    again = invoke(*asked)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "exists already" in again.stderr
