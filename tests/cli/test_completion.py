"""After a tab a shell offers parts, tasks and runs that fit, in bash, zsh and fish, and nothing heavy is imported for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import python

from mtk_cli import cli


def offered(line: str, shell: str = "zsh") -> list[str]:
    """What a shell offers for the last word of a command line."""
    words = line.split(" ")
    environment = {"_MTK_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    if shell == "fish":
        environment["COMP_CWORD"] = words[-1]
    output = CliRunner().invoke(cli, prog_name="mtk", env=environment).stdout
    if shell == "zsh":
        return output.splitlines()[1::3]
    return [item.partition(",")[2].partition("\t")[0] for item in output.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("mtk run --combiner pcg", ["pcgrad"]),
        ("mtk run --head c", ["cnn", "concat-mlp", "cosine"]),
        ("mtk run --data sa", ["sample"]),
        ("mtk run --encoder mini", ["minilm"]),
        ("mtk run --listen tensor", ["tensorboard"]),
        ("mtk augment x.csv --with ed", ["eda"]),
        ("mtk show multitask-toolkit/pcg", ["multitask-toolkit/pcgrad"]),
        ("mtk list h", ["head"]),
        ("mtk ev", ["eval"]),
    ],
)
def test_parts_by_their_beginning(line: str, some: list[str], shell: str) -> None:
    assert offered(line, shell) == some


def test_a_part_after_its_task() -> None:
    assert offered("mtk run --head sst=con") == ["sst=concat-mlp"]
    assert offered("mtk run --augment s")[-2:] == ["sst=", "sts="]


def test_bash_is_given_what_it_replaces() -> None:
    """It breaks a word at =, and completes the last part alone."""
    assert offered("mtk run --head sst = con", "bash") == ["concat-mlp"]
    assert offered("mtk run --head = con", "bash") == ["concat-mlp"]
    assert offered("mtk run --head = sst = con", "bash") == ["concat-mlp"]


def test_runs_and_their_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/first", "runs/second", "other/run"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.toml").write_text("")
    (tmp_path / "runs" / "no-run").mkdir()
    for line in ("mtk eval ", "mtk predict ru", "mtk run --resume runs/", "mtk run --from "):
        assert offered(line) == ["runs/first", "runs/second"]
    assert offered("mtk eval other/") == ["other/run"]
    (tmp_path / "runs/first/model").mkdir()
    (tmp_path / "runs/first/model/model.json").write_text('{"tasks": [{"name": "sst"}, {"name": "para"}]}')
    assert offered("mtk predict runs/first s") == ["sst"]
    assert offered("mtk predict runs/first sst,") == ["sst,para"]
    assert offered("mtk predict runs/second ") == []


def test_a_finished_run_has_its_tasks(finished: Path) -> None:
    assert offered(f"mtk predict {finished} ") == ["sst", "para", "sts"]
    assert offered(f"mtk predict {finished} sts,") == ["sts,sst", "sts,para"]


def test_nothing_heavy_is_imported() -> None:
    code = """
import atexit, os, sys
os.environ.update(_MTK_COMPLETE="bash_complete", COMP_WORDS="mtk run --head sst=", COMP_CWORD="3")
atexit.register(lambda: print({"torch", "transformers", "rich"} & set(sys.modules), file=sys.stderr))
from mtk_cli import main
main()
"""
    done = python(code)
    assert "cnn" in done.stdout
    assert done.stderr.splitlines()[-1] == "set()"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_itself_completes(tmp_path: Path) -> None:
    program = tmp_path / "mtk"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mtk_cli "$@"\n')
    program.chmod(0o755)
    script = """
eval "$(_MTK_COMPLETE=bash_source mtk)"
COMP_WORDS=(mtk run --head sst = con); COMP_CWORD=5
_mtk_completion mtk
echo "${COMPREPLY[@]}"
"""
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "concat-mlp\n", done.stderr
