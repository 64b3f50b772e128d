"""With --json, standard output is one document, whatever a plugin prints, when, and by which way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mtk_cli.json_output import json_option, print_json

Install = Callable[..., Path]

# Prints at import, at registration, in a constructor, in forward and in a hook: by Python, to the descriptor, as a process.
NOISE = """
import os, subprocess, sys

def noise(where):
    print("noise by print", where)
    os.write(1, f"noise by write {where}\\n".encode())
    subprocess.run([sys.executable, "-c", f"print('noise by a process {where}')"], check=True)
    sys.__stdout__.write(f"noise by __stdout__ {where}\\n")
"""
PLUGIN = """
import mtk
from clinic_noise import noise

noise("import")

@mtk.hookimpl
def mtk_register(registry):
    noise("registration")
    registry.head("loud", "clinic_part:Loud", summary="s")

@mtk.hookimpl
def mtk_evaluated(evaluation):
    noise("hook")
"""
PART = """
import mtk, torch
from clinic_noise import noise

noise("part")

class Loud(mtk.Head):
    pair_encoding = "joint"

    def __init__(self, width, outputs, inputs):
        super().__init__()
        noise("constructor")
        self.score = torch.nn.Linear(width, outputs)

    def forward(self, first):
        if not self.training:
            noise("forward")
        return self.score(first.embedding)
"""


@pytest.fixture
def loud(install: Install) -> Path:
    return install("clinic-box", {"clinic": PLUGIN, "clinic_part": PART, "clinic_noise": NOISE}, {"ward": "clinic"})


def mtk(site: Path, *commands: list[str], stdin: str = "") -> tuple[list[Any], str]:
    """The documents that several commands print in one process, and its standard error."""
    code = f"from mtk_cli import cli\nfor command in {commands!r}: cli.main(command, standalone_mode=False)"
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, input=stdin, check=False)
    assert done.returncode == 0, done.stderr
    left, documents = done.stdout.strip(), []
    while left:
        document, end = json.JSONDecoder().raw_decode(left)  # raises for anything that is no JSON
        documents.append(document)
        left = left[end:].strip()
    return documents, done.stderr


def test_list_and_show_print_one_document(loud: Path) -> None:
    (listed, shown), stderr = mtk(loud, ["list", "--json"], ["show", "loud", "--json"])
    assert {"loud", "pcgrad"} <= {row["name"] for row in listed}
    assert shown[0]["target"] == "clinic_part:Loud"
    for way in ("print", "write", "a process", "__stdout__"):
        assert f"noise by {way} import" in stderr
        assert f"noise by {way} registration" in stderr
    assert "noise by print part" in stderr


def test_run_eval_and_predict_print_one_document(loud: Path, tiny_corpus: Path, tiny_encoder: Path) -> None:
    out = loud / "run"
    flags = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--steps", "1", "--device", "cpu")
    (ran, evaluated, *predicted), stderr = mtk(
        loud,
        ["run", *flags, "--head", "sst=loud", "--limit", "4", "--out", str(out), "--json"],
        ["eval", str(out), "--json"],
        ["predict", str(out), "sst", "--json"],
        stdin="the dog is warm\nthe cat is sad\n",
    )
    assert ran["out"] == str(out)
    assert set(evaluated["metrics"]) == {"sst", "para", "sts"}
    assert [prediction["id"] for prediction in predicted] == ["0", "1"]
    for where in ("constructor", "forward", "hook"):
        assert f"noise by a process {where}" in stderr


def test_check_prints_one_document(install: Install) -> None:
    augmenter = """
import mtk
from clinic_noise import noise
said = []
class Echo(mtk.Augmenter):
    def __call__(self, words, rng):
        if not said:
            said.append(noise("call"))
        return list(words)
"""
    plugin = PLUGIN.replace("registry.head", "registry.augmenter").replace(":Loud", ":Echo")
    site = install("clinic-box", {"clinic": plugin, "clinic_part": augmenter, "clinic_noise": NOISE}, {"ward": "clinic"})
    (checked,), stderr = mtk(site, ["check", "loud", "--json"])
    assert {row["name"] for row in checked} == {"loud"}
    assert "noise by a process call" in stderr


def test_without_the_flag_what_is_printed_at_import_leaves_standard_output_to_the_table(loud: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(loud)}
    command = [sys.executable, "-m", "mtk_cli", "list"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "noise by print" not in done.stdout
    assert "noise by print registration" in done.stderr


@click.command()
@json_option("one document")
def command(as_json: bool) -> None:
    print("aside")  # noqa: T201
    print_json({"number": float("nan"), "path": Path("x")})


def test_what_python_replaced_standard_output_by_is_kept_clean_too() -> None:
    result = CliRunner().invoke(command, ["--json"])
    assert json.loads(result.stdout) == {"number": None, "path": "x"}
    assert result.stderr == "aside\n"
    assert CliRunner().invoke(command, []).stdout.startswith("aside\n")


def test_standard_output_is_back_after_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    command.main(["--json"], standalone_mode=False)
    os.write(1, b"after\n")
    captured = capfd.readouterr()
    assert captured.out.endswith("}\nafter\n")
    assert captured.err == "aside\n"
