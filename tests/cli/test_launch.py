"""`mtk run --nproc N` is the same run in N processes: it says what one says, once, leaves what one leaves, and ends as one
does."""

from __future__ import annotations

import filecmp
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from command_line import invoke
from together import without_dropout

from mtk.errors import MtkError
from mtk_cli.launch import launch

SETTINGS = ("--combiner", "pcgrad", "--dropout", "0", "--batch-size", "10", "--max-length", "32", "--learning-rate", "1e-3")
MACHINE = ("--device", "cpu", "--precision", "fp32", "--checkpoint-every", "3", "--quiet")


@pytest.fixture
def arguments(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> tuple[str, ...]:
    """Of a run without dropout: what that drops depends on who draws."""
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    return ("run", "--data", str(tiny_corpus), "--encoder", str(without_dropout(tiny_encoder, encoder)), *SETTINGS, *MACHINE)


def started(*arguments: str, by: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *by, "-m", "mtk", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "model" / "encoder" / "model.safetensors")


def test_a_mistake_is_told_once_and_decides_the_exit_status(capfd: pytest.CaptureFixture[str]) -> None:
    assert launch(2, ["run", "--combiner", "pcgrat"]) == 2
    assert capfd.readouterr().err.count("There is no combiner 'pcgrat'") == 1


def test_a_process_that_a_signal_ends_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mtk_cli.launch.command", lambda arguments: ["/bin/sh", "-c", "test $RANK = 1 && kill -KILL $$; sleep 60"]
    )
    monkeypatch.setattr("mtk_cli.launch.PATIENCE", (0.2, 5.0))
    with pytest.raises(MtkError, match="Process 1 of the run was ended by SIGKILL"):
        launch(2, [])


def test_it_does_not_start_more_where_torchrun_did(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    told = invoke("run", "--nproc", "2")
    assert told.exit_code == 2
    assert "4 processes were started already" in told.output


@pytest.mark.slow
def test_two_processes_make_the_run_of_one_and_one_goes_on_with_it(arguments: tuple[str, ...], tmp_path: Path) -> None:
    both, alone = tmp_path / "both", tmp_path / "alone"
    ran = started(*arguments, "--epochs", "1", "--out", str(both), "--nproc", "2")
    told = ran.communicate()[0]
    assert ran.returncode == 0, told
    assert told.count("Done: ") == 1
    assert invoke(*arguments, "--epochs", "1", "--out", str(alone)).exit_code == 0
    torch.testing.assert_close(weights(both), weights(alone), atol=1e-5, rtol=1e-4)
    assert sorted(p.name for p in both.iterdir()) == sorted(p.name for p in alone.iterdir())
    assert filecmp.dircmp(both / "predictions", alone / "predictions").left_list == sorted(
        p.name for p in (alone / "predictions").iterdir()
    )
    for run in (both, alone):  # in another number of processes than it was left off in
        assert invoke("run", "--resume", str(run), "--epochs", "2", "--quiet").exit_code == 0
    torch.testing.assert_close(weights(both), weights(alone), atol=1e-5, rtol=1e-4)


def _children(of: int) -> list[int]:
    """Its processes, by their rank."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            is_child = int(status.read_text().rpartition(")")[2].split()[1]) == of
            environment = (status.parent / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_child:
            ranks = [int(entry[5:]) for entry in environment if entry.startswith(b"RANK=")]
            found += [(rank, int(status.parent.name)) for rank in ranks]
    return [number for _, number in sorted(found)]


def _until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 240
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="needs /proc, to find processes by their parent"
)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_run_with_one_message_and_a_whole_checkpoint(
    arguments: tuple[str, ...], tmp_path: Path, rank: int
) -> None:
    out = tmp_path / "run"
    run = started(*arguments, "--epochs", "200", "--out", str(out), "--nproc", "2")
    _until((out / "checkpoint" / "state.json").exists, run)
    os.kill(_children(run.pid)[rank], signal.SIGKILL)
    told = run.communicate()[0]
    assert run.returncode == 1, told
    assert told.count("error: ") == 1
    assert f"Go on from its last checkpoint with --resume {out}" in told
    assert invoke("run", "--resume", str(out), "--epochs", "1", "--quiet").exit_code == 0


@pytest.mark.slow
def test_a_signal_ends_all_of_them_between_two_steps(arguments: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = started(*arguments, "--epochs", "200", "--out", str(out), "--nproc", "2")
    _until((out / "checkpoint" / "state.json").exists, run)
    run.send_signal(signal.SIGTERM)
    told = run.communicate()[0]
    assert run.returncode == 130, told
    assert told.count("Interrupted after ") == 1
    assert invoke("run", "--resume", str(out), "--epochs", "1", "--quiet").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_torchrun_starts_them_again_and_the_weights_are_the_same(
    arguments: tuple[str, ...], tmp_path: Path, rank: int
) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "2")
    runs = [tmp_path / "whole", tmp_path / "died"]
    for out in runs:
        run = started(*arguments, "--dropout", "0.1", "--epochs", "6", "--out", str(out), by=torchrun)
        if out == runs[1]:
            _until((out / "checkpoint" / "state.json").exists, run)
            os.kill(_children(run.pid)[rank], signal.SIGKILL)
        told = run.communicate()[0]
        assert run.returncode == 0, told
    for file in ("model/encoder/model.safetensors", "checkpoint/state.safetensors"):
        assert filecmp.cmp(runs[0] / file, runs[1] / file, shallow=False)
    lines = [(out / "metrics.jsonl").read_text().count('"event":"evaluation"') for out in runs]
    assert lines == [6, 6]
