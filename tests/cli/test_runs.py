"""`mtk runs` tells the state of everything in a directory, the newest last, and needs no torch for it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import msgspec
from command_line import invoke, python

from mtk.locks import Lock
from mtk.study.cells import Cell, SweepPlan

OLD = Path(__file__).parents[1] / "runs"


def test_every_state_is_told_and_the_newest_is_last(tmp_path: Path) -> None:
    names = ("done", "interrupted", "damaged", "running")
    for number, name in enumerate(names):
        run = Path(shutil.copytree(OLD / "format-3", tmp_path / name))
        for file in ("config.toml", "summary.json", "metrics.jsonl"):
            os.utime(run / file, (1000 + number, 1000 + number))
    (tmp_path / "interrupted" / "summary.json").unlink()
    (tmp_path / "damaged" / "summary.json").write_text("{")
    for file in ("config.toml", "summary.json", "metrics.jsonl"):
        os.utime(tmp_path / "damaged" / file, (1002, 1002))
    (tmp_path / "no run").mkdir()
    sweep = tmp_path / "a sweep"
    sweep.mkdir()
    (sweep / "sweep.json").write_bytes(msgspec.json.encode(SweepPlan([Cell("a", 0, "a-seed0", {})])))
    lock = Lock.take(tmp_path / "running" / ".lock")
    assert lock is not None
    found = json.loads(invoke("runs", str(tmp_path), "--json").stdout)
    lock.release()
    states = [(Path(line["path"]).name, line["state"]) for line in found]
    assert states == [*zip(names, names, strict=True), ("a sweep", "interrupted")]
    assert "summary.json is not what was saved" in found[2]["what"]
    assert found[4]["what"] == "sweep of 1: 1 waiting"
    shown = invoke("runs", str(tmp_path)).stdout
    assert all(name in shown for name in names)
    assert "0.6267" in shown


def test_a_directory_without_runs_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert "There are no runs in" in invoke("runs", str(tmp_path)).stdout
    result = invoke("runs", str(tmp_path / "nowhere"))
    assert (result.exit_code, "cannot be read: No such file" in result.stderr) == (1, True)


def test_it_imports_no_torch(tmp_path: Path) -> None:
    code = "import sys; from mtk_cli.runs import lines; assert len(lines(__import__('pathlib').Path(sys.argv[1]))) == 3"
    found = python(f"import sys; sys.argv[1:] = [{str(OLD)!r}]; {code}; print('torch' in sys.modules)")
    assert found.stdout.strip() == "False", found.stderr
