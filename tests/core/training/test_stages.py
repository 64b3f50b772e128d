"""What comes before training: its loss falls, it is told and recorded, it goes on from any moment bit for bit, and what
comes after it draws the same random numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import mtk
from mtk.config import read_config
from mtk.training.stages import StageTrainer
from mtk_cli import cli

# A process that is killed in the so manieth step of a stage.
DEADLY = """
import os, signal, sys
from mtk.training.stages import StageTrainer

deadly, made, make = int(sys.argv[1]), 0, StageTrainer._make_step

def deadly_step(self, rows):
    global made
    made += 1
    if made == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    make(self, rows)

StageTrainer._make_step = deadly_step
sys.argv = ["mtk", "run", *sys.argv[2:]]
from mtk_cli import main
main()
"""


@pytest.fixture
def common(tiny_corpus: Path, tiny_encoder: Path) -> dict[str, Any]:
    given = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "device": "cpu", "precision": "fp32"}
    return {**given, "heads": "linear", "steps": 4, "checkpoint_every": "2"}


def told(run: Path, event: str = "stage") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def state(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoint" / "state.safetensors")


def assert_same(one: Path, other: Path) -> None:
    mine, yours = state(one), state(other)
    assert mine.keys() == yours.keys()
    assert [name for name in mine if not torch.equal(mine[name], yours[name])] == []


def test_the_loss_falls_and_all_is_told_and_recorded(
    common: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtk.training.stages.REPORT_SECONDS", 0.0)
    spec = "mlm:epochs=30,batch=16,lr=3e-3"
    run = mtk.run(**common, stages=[spec, "mlm:share=0.3,batch=64"], head_learning_rate=3e-3, out=tmp_path / "run")
    lines = told(run.out)
    first = [line for line in lines if line["number"] == 1]
    assert first[0]["stage"] == spec
    assert first[-1]["step"] == first[-1]["steps"] == len(first)
    assert first[-1]["epoch"] == 30
    losses = [line["loss"] for line in first]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert [line["number"] for line in lines][-1] == 2
    config = read_config(run.out / "config.toml")
    assert config["stages"] == [f"multitask-toolkit/{spec}", "multitask-toolkit/mlm:share=0.3,batch=64"]
    assert config["versions"]["stage mlm"].startswith("multitask-toolkit ")


def test_heads_stay_as_they_were_and_training_draws_what_it_would_draw_without(
    common: dict[str, Any], tmp_path: Path
) -> None:
    still = {**common, "learning_rate": 0.0, "head_learning_rate": 0.0, "weight_decay": 0.0}
    plain, staged, idle = (
        mtk.run(**still, stages=stages, out=tmp_path / name).out
        for name, stages in (("plain", []), ("staged", ["mlm:lr=1e-3"]), ("idle", ["mlm:lr=0"]))
    )
    one, two = (mtk.load(run, device="cpu").state_dict() for run in (plain, staged))
    assert all(torch.equal(one[name], two[name]) for name in one if name.startswith("heads."))
    assert not torch.equal(
        one["encoder.backbone.embeddings.word_embeddings.weight"], two["encoder.backbone.embeddings.word_embeddings.weight"]
    )
    losses = [[line["losses"] for line in told(run, "progress")] for run in (plain, idle)]
    assert losses[0] == losses[1], "a stage that learns nothing changes nothing"


@pytest.mark.parametrize("more", [{}, {"precision": "fp16"}, {"average": "ema", "recompute": True}], ids=str)
def test_a_run_that_is_interrupted_in_a_stage_goes_on_bit_for_bit(
    common: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    given = {**common, **more, "stages": ["mlm:batch=16", "mlm:batch=64"]}
    whole = mtk.run(**given, out=tmp_path / "whole").out
    make, made = StageTrainer._make_step, []

    def interrupted(self: StageTrainer, rows: list[int]) -> None:
        made.append(rows)
        make(self, rows)
        if len(made) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(StageTrainer, "_make_step", interrupted)
    halted = mtk.run(**given, out=tmp_path / "halted")
    assert halted.interrupted
    saved = json.loads((halted.out / "checkpoint" / "state.json").read_text())
    assert (saved["stage"]["number"], saved["stage"]["step"], saved["step"]) == (0, 3, 0)
    assert any(name.startswith("stage.transform") for name in state(halted.out))
    mtk.run(resume=halted.out)
    assert_same(halted.out, whole)
    assert len(told(halted.out)) >= 2
    steps = [(line["number"], line["step"]) for line in told(halted.out)]
    assert steps == sorted(set(steps)), "no line is told twice"


@pytest.mark.parametrize("step", [7, 11])
def test_a_run_that_is_killed_in_a_stage_goes_on_bit_for_bit(
    common: dict[str, Any], tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, step: int
) -> None:
    flags = ["--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--device", "cpu", "--precision", "fp32"]
    flags += ["--head", "linear", "--steps", "4", "--checkpoint-every", "2"]
    flags += ["--stage", "mlm:batch=16,epochs=1", "--stage", "mlm:batch=16"]
    assert CliRunner().invoke(cli, ["run", *flags, "--out", str(tmp_path / "whole")]).exit_code == 0
    dead = str(tmp_path / "dead")
    process = subprocess.run(
        [sys.executable, "-c", DEADLY, str(step), *flags, "--out", dead], capture_output=True, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    result = CliRunner().invoke(cli, ["run", "--resume", dead])
    assert result.exit_code == 0, result.output
    assert_same(Path(dead), tmp_path / "whole")


STRANGER = """
import mtk
import torch
from torch.nn import functional as F

@mtk.hookimpl
def mtk_register(registry):
    registry.stage("views", "views:TwoViews", summary="s")
    registry.stage("odd", "views:Odd", summary="s")

class TwoViews(mtk.Stage):
    def forward(self, inputs, encode):
        one, other = (F.normalize(encode(inputs).embedding) for _ in range(2))
        return F.cross_entropy(one @ other.T / 0.05, torch.arange(len(one), device=one.device))

class Odd(mtk.Stage):
    def __init__(self, *, gives: str = "vector"):
        super().__init__()
        self.gives = gives

    def forward(self, embeddings):
        if self.gives == "nan":
            return embeddings.mean() * torch.nan
        return {"vector": embeddings.mean(dim=0), "nothing": None, "constant": embeddings.mean().detach()}[self.gives]
"""


def test_a_strangers_stage_trains_the_pooling_too(
    common: dict[str, Any], install: Callable[..., Path], tmp_path: Path
) -> None:
    install("views", {"views": STRANGER})
    still = {**common, "learning_rate": 0.0, "head_learning_rate": 0.01, "steps": 1, "warmup": 0.5}
    run = mtk.run(**still, stages=["views:epochs=2,batch=8"], pooling="attention", out=tmp_path / "run")
    assert told(run.out)[-1]["stage"] == "views:epochs=2,batch=8"
    assert mtk.load(run.out, device="cpu").encoder.pooling.query.abs().max() > 1e-4


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("odd", r"The stage 'odd' of plugin 'views' .* promises a tensor \[\] on cpu, and gave \[32\]"),
        ("odd:gives=nothing", "gave NoneType"),
        ("odd:gives=constant", "promises a loss that a gradient goes back from"),
        ("mlm:batch=0", "'0' is no value for option 'batch' of 'mlm': it takes int, ≥ 1"),
        ("mln", "There is no stage 'mln'. Did you mean mlm"),
    ],
)
def test_what_breaks_its_promise_does_so_before_anything_is_written(
    common: dict[str, Any], install: Callable[..., Path], tmp_path: Path, spec: str, message: str
) -> None:
    install("views", {"views": STRANGER})
    with pytest.raises(mtk.UsageError, match=message):
        mtk.run(**common, stages=[spec], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_ends_the_run(common: dict[str, Any], install: Callable[..., Path], tmp_path: Path) -> None:
    install("views", {"views": STRANGER})
    with pytest.raises(mtk.MtkError, match="Stage odd:gives=nan, step 1: the loss or its gradient is no finite number"):
        mtk.run(**common, stages=["odd:gives=nan"], out=tmp_path / "run")
    assert mtk.load(tmp_path / "run", device="cpu").tasks
