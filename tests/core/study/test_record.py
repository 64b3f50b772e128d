"""A run's directory is read as what the run was, in whatever state it is, and never raises for what is in it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

import mtk
from mtk.config import check, read_config
from mtk.events import Result
from mtk.locks import Lock
from mtk.study.record import read_run, runs_in

OLD = Path(__file__).parents[2] / "runs"


def test_it_is_what_the_run_was(finished: Result) -> None:
    run = read_run(finished.out)
    assert (run.state, run.result, run.best) == ("done", finished, finished.best)
    assert run.config == check(read_config(finished.out / "config.toml"))
    assert run.plan is not None
    assert {task.name: task.dev for task in run.plan.tasks} == {"sst": 24, "para": 24, "sts": 24}
    told = run.told()
    assert [e.best for e in told.evaluations].count(True) >= 1
    assert len(told.evaluations) == 2
    assert told.progress[-1].step == finished.steps
    assert set(told.progress[-1].cosines) == {"sst/para", "sst/sts", "para/sts"}


@pytest.mark.parametrize("name", ["format-1", "format-2", "format-3"])
def test_runs_of_every_format_are_read(name: str) -> None:
    run = read_run(OLD / name)
    assert (run.state, run.problem) == ("done", "")
    assert run.best is not None
    assert run.told().evaluations[-1].metrics == run.best.metrics
    assert run.development() == {}


@pytest.fixture
def copied(finished: Result, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.out, tmp_path / "runs" / "copy"))


def test_one_that_died_is_interrupted_and_its_kept_evaluation_is_known(finished: Result, copied: Path) -> None:
    (copied / "summary.json").unlink()
    with (copied / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event": "prog')
    run = read_run(copied)
    assert (run.state, run.result, run.best) == ("interrupted", None, finished.best)
    assert len(run.told().evaluations) == 2, "half a line is none"


def test_one_that_another_process_has_is_running(copied: Path) -> None:
    lock = Lock.take(copied / ".lock")
    assert lock is not None
    assert read_run(copied).state == "running"
    lock.release()
    assert read_run(copied).state == "done"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.toml", "epochs = 2\nepochs = 3", r"config.toml: this is not TOML"),
        ("config.toml", None, r"config.toml: the configuration cannot be read"),
        ("summary.json", "{", r"summary.json is not what was saved"),
        ("plan.json", '{"tasks": 3}', r"plan.json: this is not what a run wrote"),
    ],
)
def test_a_damaged_one_says_what_is_wrong(copied: Path, name: str, content: str | None, said: str) -> None:
    (copied / name).unlink() if content is None else (copied / name).write_text(content)
    run = read_run(copied)
    assert run.state == "damaged"
    assert re.search(said, run.problem), run.problem


def test_a_damaged_line_is_named(copied: Path) -> None:
    with (copied / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event": "evaluation", "step": "no"}\n')
    with pytest.raises(mtk.DataError, match=r"metrics.jsonl:\d+: this is not what a run wrote"):
        read_run(copied).told()


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(mtk.DataError, match=r"is no run: it has no config.toml"):
        read_run(tmp_path)


def test_the_runs_of_a_directory_have_the_newest_last(finished: Result, copied: Path) -> None:
    other = Path(shutil.copytree(copied, copied.parent / "a"))
    for run, when in ((other, 2_000), (copied, 1_000)):
        for file in run.iterdir():
            if file.is_file():
                os.utime(file, (when, when))
    (copied.parent / "nothing").mkdir()
    assert [run.name for run in runs_in(copied.parent)] == ["copy", "a"]
