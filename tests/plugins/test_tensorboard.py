"""What TensorBoard reads back is what the run reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mtk
from mtk.config import read_config

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="the extra tensorboard is not installed"
)


def test_tensorboard_reads_what_the_run_reported(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    result = mtk.run(
        out=tmp_path / "run", data=str(tiny_corpus), encoder=str(tiny_encoder), combiner="pcgrad", heads="linear",
        listen=["tensorboard"], epochs=2, device="cpu",
    )  # fmt: skip
    read = event_accumulator.EventAccumulator(str(result.out / "tensorboard"))
    read.Reload()

    def scalars(tag: str) -> list[tuple[int, float]]:
        return [(event.step, event.value) for event in read.Scalars(tag)]

    lines = [json.loads(line) for line in (result.out / "metrics.jsonl").read_text().splitlines()]
    reports = [line for line in lines if line["event"] == "progress"]
    evaluations = [line for line in lines if line["event"] == "evaluation"]
    for task in ("sst", "para", "sts"):
        assert scalars(f"loss/{task}") == [(r["step"], pytest.approx(r["losses"][task])) for r in reports]
    assert scalars("cosine/sst/para") == [(r["step"], pytest.approx(r["cosines"]["sst/para"])) for r in reports]
    assert scalars("learning_rate") == [(r["step"], pytest.approx(r["learning_rate"])) for r in reports]
    assert scalars("dev/sts/pearson") == [(e["step"], pytest.approx(e["metrics"]["sts"]["pearson"])) for e in evaluations]
    assert scalars("dev/average") == [(e["step"], pytest.approx(e["average"])) for e in evaluations]
    assert read_config(result.out / "config.toml")["listen"] == ["multitask-toolkit/tensorboard"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(mtk.UsageError, match=r"pip install 'multitask-toolkit\[tensorboard\]'"):
        mtk.run(out=tmp_path / "run", listen=["tensorboard"], limit=4, device="cpu")
    assert not (tmp_path / "run").exists()
