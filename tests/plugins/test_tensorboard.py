"""What TensorBoard reads back is what the run reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mtk
from mtk.config import read_config
from mtk.events import Plan, Progress
from mtk_tensorboard.listener import TensorBoard

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
    for when in ("before", "after"):
        told = [(r["step"], pytest.approx(r["conflict"][when])) for r in reports]
        assert scalars(f"conflict/{when}") == told
    assert scalars("cosine/sst/para") == [(r["step"], pytest.approx(r["cosines"]["sst/para"])) for r in reports]
    assert scalars("learning_rate") == [(r["step"], pytest.approx(r["learning_rate"])) for r in reports]
    assert scalars("dev/sts/pearson") == [(e["step"], pytest.approx(e["metrics"]["sts"]["pearson"])) for e in evaluations]
    assert scalars("dev/average") == [(e["step"], pytest.approx(e["average"])) for e in evaluations]
    assert read_config(result.out / "config.toml")["listen"] == ["multitask-toolkit/tensorboard"]


def test_a_heads_own_losses_and_the_cosines_of_each_layer_are_read_back(tmp_path: Path) -> None:
    listener = TensorBoard()
    plan = Plan(
        tasks=[], encoder="e", parameters=1, combiner="c", device="cpu", precision="fp32", recorded=False, plain=None,
        epochs=1, steps=1, notes=[], out=tmp_path,
    )  # fmt: skip
    listener.mtk_run_started(plan)
    progress = Progress(
        step=3, steps=3, epoch=1, losses={"sst": 2.0}, own_losses={"sst/margin": 0.5}, cosines={}, learning_rate=0.1,
        layer_cosines={"embeddings": {"sst/para": -0.25}, "layer.0": {"sst/para": 0.75}}, examples_per_second=1.0,
    )  # fmt: skip
    listener.mtk_progressed(progress)
    listener.mtk_run_finished()
    read = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    expected = {"own_loss/sst/margin": 0.5, "layer_cosine/embeddings/sst/para": -0.25, "layer_cosine/layer.0/sst/para": 0.75}
    assert {tag: (event.step, event.value) for tag in expected for event in read.Scalars(tag)} == {
        tag: (3, value) for tag, value in expected.items()
    }


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(mtk.UsageError, match=r"pip install 'multitask-toolkit\[tensorboard\]'"):
        mtk.run(out=tmp_path / "run", listen=["tensorboard"], limit=4, device="cpu")
    assert not (tmp_path / "run").exists()
