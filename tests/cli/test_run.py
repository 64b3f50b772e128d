"""`mtk run`: what it prints for a program, how it ends, and that a run is repeated from its configuration."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command_line import EVALUATION, RESULT, TINY, invoke

import mtk
from mtk.config import RunConfig

Runs = list[RunConfig]


def test_json_is_one_object_and_nothing_else(runs: Runs) -> None:
    assert json.loads(invoke("run", "--json").stdout) == {
        "out": "runs/[1]",
        "metrics": EVALUATION.metrics,
        "average": 0.625,
        "epochs": 2,
        "steps": 200,
        "seconds": 75.2,
        "examples_per_second": 1234.5,
    }


def test_whether_processes_hold_parts_is_said_and_not_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(mtk, "run", lambda config, *, shard, **_: asked.append(shard) or RESULT, raising=False)
    for flags in (["--shard"], ["--resume", "runs/x", "--shard"], []):
        assert invoke("run", "--quiet", *flags).exit_code == 0
    assert asked == [True, True, False]


def test_quiet_says_only_what_the_run_came_to(runs: Runs) -> None:
    lines = invoke("run", "--quiet").stdout.splitlines()
    assert lines == [
        "Done: best average 0.6250; 2 epochs, 200 steps in 0:01:15, 1,234 examples/s.",
        "Model, predictions and metrics are in runs/[1]",
    ]


@pytest.mark.parametrize("flag", ["--quiet", "--json", None])
def test_an_interrupted_run_exits_130(monkeypatch: pytest.MonkeyPatch, flag: str | None) -> None:
    stopped = msgspec.structs.replace(RESULT, interrupted=True)
    monkeypatch.setattr(mtk, "run", lambda config, **_: stopped, raising=False)
    assert invoke("run", *([flag] if flag else [])).exit_code == 130


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (mtk.UsageError("no such [thing]"), 2, "error: no such [thing]\n"),
        (mtk.DataError("a.csv:3: no label"), 1, "error: a.csv:3: no label\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_mistake_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], raised: BaseException, code: int, message: str
) -> None:
    def run(config: RunConfig, **_: Any) -> None:
        raise raised

    monkeypatch.setattr(mtk, "run", run, raising=False)
    result = invoke("run", *flags)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)


@pytest.mark.slow
def test_a_run_is_repeated_from_its_configuration(finished: Path, tmp_path: Path) -> None:
    result = invoke("run", "--config", str(finished / "config.toml"), "--out", str(tmp_path / "again"), "--json")
    repeated, first = json.loads(result.stdout), json.loads((finished / "summary.json").read_text())
    assert repeated["metrics"] == first["best"]["metrics"]
    result = invoke("run", *TINY, "--out", str(finished))
    assert result.exit_code == 2
    assert "exists already" in result.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_a_model_and_says_where(tmp_path: Path) -> None:
    out = tmp_path / "long"
    command = [sys.executable, "-m", "mtk_cli", "run", *TINY, "--epochs", "1000", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("epoch 1,"):
                run.send_signal(signal.SIGINT)
                break
        rest, errors = run.communicate(timeout=120)
    assert run.returncode == 130, errors
    assert f"{out} holds the best model so far" in rest
    assert "Traceback" not in errors
    assert (out / "model" / "model.json").is_file()
