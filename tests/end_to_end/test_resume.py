"""A run that was left off goes on as if nothing had happened: the same weights to the last bit, no line lost or twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

import mtk
from mtk_cli import cli

KILLS = int(os.environ.get("MTK_KILLS", "3"))  # 100 were made once

# A run that dies at its n-th change to its directory.
DEADLY = """
import os, signal, sys

deadly, directory, changes = int(sys.argv[1]), sys.argv[2], 0

def hear(event, arguments):
    global changes
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    changing = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
    if (writes or event in changing) and any(directory in str(argument) for argument in arguments):
        changes += 1
        if changes == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hear)
sys.argv = ["mtk", "run", *sys.argv[3:]]
from mtk_cli import main
main()
"""

# Everything that can be left off in the middle: dropout, accumulation, augmentation, a combiner that draws.
SETTINGS = (
    *("--batch-size", "8", "--epochs", "2", "--checkpoint-every", "2", "--accumulate", "2", "--dropout", "0.2"),
    *("--augment", "sst=random-swap", "--device", "cpu", "--precision", "fp32"),
)


def run(*flags: str) -> Result:
    return CliRunner().invoke(cli, ["run", *flags])


def weights(directory: Path) -> dict[str, torch.Tensor]:
    """All that training ends with: model, optimizer, combiner."""
    return load_file(directory / "checkpoint" / "state.safetensors")


def assert_same(one: Path, other: Path) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    kept, wanted = load_model(one), load_model(other)
    assert all(torch.equal(kept[name], wanted[name]) for name in wanted)
    for file in ("predictions/sst-dev-output.csv", "predictions/sst-test-output.csv"):
        assert (one / file).read_bytes() == (other / file).read_bytes()


def load_model(directory: Path) -> dict[str, torch.Tensor]:
    return mtk.load(directory, device="cpu").state_dict()


def assert_whole(directory: Path, steps: int) -> None:
    """Each epoch was evaluated once, and steps were told in their order, up to the last."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["event"] == "evaluation"] == [1, 2]
    told = [line["step"] for line in lines if line["event"] == "progress"]
    assert told == sorted(set(told))
    assert told[-1] == steps
    assert json.loads((directory / "summary.json").read_text())["steps"] == steps
    assert not list(directory.glob("**/*.partial"))
    assert not list(directory.glob("**/*.former"))


@pytest.mark.parametrize(
    ("combiner", "kills"),
    [
        ("pcgrad", KILLS),
        ("moco", 1),  # which keeps rows of gradients
        ("pivrg:baseline=0.5/0.7/0.8", 1),  # which learns from evaluations
        ("moml:scope=layer,smoothing=0.5", 1),  # from halves of a batch, in each layer
    ],
)
def test_a_run_that_dies_at_any_change_to_its_directory_goes_on(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, combiner: str, kills: int
) -> None:
    flags = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), *SETTINGS, "--combiner", combiner)
    assert run(*flags, "--out", str(tmp_path / "whole")).exit_code == 0
    rng = Random(5)
    for number in range(kills):
        out = tmp_path / f"killed-{number}"
        deadly, command = rng.randrange(3, 120), [*flags, "--out", str(out)]
        for _ in range(30):
            done = subprocess.run(
                [sys.executable, "-c", DEADLY, str(deadly), str(out), *command], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
            command, deadly = ["--resume", str(out)], rng.randrange(30, 200)
            if not (out / "config.toml").exists():  # it died before there was anything to go on with
                command, out = [*flags, "--out", str(out) + "-again"], Path(str(out) + "-again")
        else:
            pytest.fail("it never ended")
        assert_same(out, tmp_path / "whole")
        assert_whole(out, json.loads((tmp_path / "whole" / "summary.json").read_text())["steps"])


def test_more_epochs_than_were_planned(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    given = (
        "--data",
        str(tiny_corpus),
        "--encoder",
        str(tiny_encoder),
        "--batch-size",
        "16",
        "--out",
        str(tmp_path / "run"),
    )
    assert run(*given, "--epochs", "1").exit_code == 0
    result = run("--resume", str(tmp_path / "run"), "--epochs", "3", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["epochs"], found["steps"]) == (3, 9)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["event"] == "evaluation"] == [1, 2, 3]
    assert mtk.config.read_config(tmp_path / "run" / "config.toml")["epochs"] == 3  # type: ignore[attr-defined]


def test_a_finished_run_that_is_resumed_stays_as_it_is(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    given = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--epochs", "1", "--out", str(tmp_path / "run"))
    assert run(*given).exit_code == 0
    before = load_model(tmp_path / "run"), (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert run("--resume", str(tmp_path / "run")).exit_code == 0
    after = load_model(tmp_path / "run"), (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert all(torch.equal(before[0][name], after[0][name]) for name in after[0])
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (("--lr", "1e-3"), "`learning_rate` cannot be another one"),
        (("--out", "elsewhere"), "leave out --preset, --config"),
    ],
)
def test_a_run_is_resumed_with_its_own_settings(tmp_path: Path, flags: tuple[str, ...], answer: str) -> None:
    result = run("--resume", str(tmp_path), *flags)
    assert result.exit_code == 2
    assert answer in result.stderr


def test_what_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    result = run("--resume", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert "config.toml" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_ends(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "run"
    flags = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--epochs", "5000", "--device", "cpu")
    with subprocess.Popen(
        [sys.executable, "-m", "mtk_cli", "run", *flags, "--out", str(out)], stdout=subprocess.PIPE, text=True
    ) as process:
        while not (out / "metrics.jsonl").exists():
            time.sleep(0.05)
        # a second process must not write there
        other = run("--resume", str(out))
        assert other.exit_code == 2
        assert "Another process is at work" in other.stderr
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted after" in said
    assert mtk.load(out).predict("sst", ["the dog is happy"])
    steps = json.loads((out / "checkpoint" / "state.json").read_text())["step"]
    result = run("--resume", str(out), "--epochs", str(steps // 3 + 1), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["steps"] >= steps


def test_a_run_begins_from_another(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    given = ("--data", str(tiny_corpus), "--head", "linear", "--epochs", "1", "--device", "cpu")
    assert run(*given, "--encoder", str(tiny_encoder), "--out", str(tmp_path / "first")).exit_code == 0
    first = load_model(tmp_path / "first")
    unmoved = ("--lr", "0", "--head-lr", "0", "--weight-decay", "0")
    other = ("--head", "sst=cnn", "--from", str(tmp_path / "first"), "--out", str(tmp_path / "second"))
    result = run(*given, *other, *unmoved)
    assert result.exit_code == 0, result.output
    assert "sst: its head begins anew" in result.stdout
    second = load_model(tmp_path / "second")
    same = [name for name in second if not name.startswith("heads.0.")]
    assert len(same) > 30
    assert all(torch.equal(first[name], second[name]) for name in same)
