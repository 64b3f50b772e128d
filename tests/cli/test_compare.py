"""`mtk compare` takes runs, sweeps and directories, and says in a message what it cannot compare."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from command_line import invoke

OLD = Path(__file__).parents[1] / "runs"
RUNS = (str(OLD / "format-2"), str(OLD / "format-3"))


def test_every_form_has_the_same_numbers() -> None:
    document = json.loads(invoke("compare", *RUNS, "--json").stdout)
    means = [row["scores"]["average"]["mean"] for row in document["rows"]]
    assert means == pytest.approx([0.6267, 0.6267], abs=0.2)
    shown = invoke("compare", *RUNS).stdout
    rows = list(csv.DictReader(io.StringIO(invoke("compare", *RUNS, "--format", "csv").stdout)))
    assert [float(row["mean"]) for row in rows if row["task"] == "average"] == means
    for form in ("markdown", "latex"):
        text = invoke("compare", *RUNS, "--format", form).stdout
        assert all(f"{mean:.4f}" in text for mean in means)
    assert all(f"{mean:.4f}" in shown for mean in means)
    assert "has not kept its answers" in shown


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        ([*RUNS, "--baseline", "x"], 2, "there is no row 'x'"),
        ([*RUNS, "--json", "--format", "csv"], 2, "two forms"),
        (["nowhere"], 1, "nowhere is neither a run nor a sweep"),
        ([RUNS[0], RUNS[0]], 2, "is given twice"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_mistake_is_told(flags: list[str], status: int, said: str) -> None:
    result = invoke("compare", *flags)
    assert result.exit_code == status
    assert said in result.stderr
