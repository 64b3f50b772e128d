"""`mtk export` writes a directory, or says in a line what cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import invoke
from exported import TEXTS, answers

import mtk
from mtk.export.exporting import FORMATS
from mtk_cli import export

RUN = Path(__file__).parents[1] / "runs" / "format-3"


def test_it_says_where_the_export_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = invoke("export", str(RUN), "--to", "transformers", "--out", str(out), "--task", "sst")
    assert (result.exit_code, result.stdout) == (0, f"{out}: for transformers; its README.md says how it is used\n")
    assert [answer["prediction"] for answer in answers(out, "sst", TEXTS)] == mtk.load(RUN, device="cpu").predict(
        "sst", TEXTS
    )
    assert json.loads((out / "tasks.json").read_text())["tasks"].keys() == {"sst"}


def test_a_mistake_is_a_line(tmp_path: Path) -> None:
    result = invoke("export", str(RUN), "--to", "transformers", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --out")
    assert export.FORMATS == FORMATS
