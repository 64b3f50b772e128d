"""`mtk eval`: every score of a run on a split, and their average."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import invoke


@pytest.mark.slow
def test_eval_prints_every_score_and_their_average(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads(invoke("eval", str(finished), "--json").stdout)
    scores = [next(iter(metrics.values())) for metrics in record["metrics"].values()]
    assert record["average"] == pytest.approx(sum(scores) / len(scores))
    monkeypatch.setattr("mtk.pipeline.evaluate", lambda *_, **__: record["metrics"])  # the same again, at once
    text = invoke("eval", str(finished)).stdout
    assert text.startswith(f"dev: average {record['average']:.4f}\n")
    assert "pearson" in text
