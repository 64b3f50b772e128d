"""What a run leaves: a directory of which each file is what it says, and nothing is executed when it is read."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

import building
import msgspec
import pytest
import torch

import mtk
from mtk.config import RunConfig, check, read_config
from mtk.events import Evaluation, Result
from mtk.plan import RunPlan, plan_run
from mtk.training.run_directory import RunDirectory, Told


@pytest.fixture
def plan(tiny_corpus: Path, tiny_encoder: Path) -> RunPlan:
    return plan_run(RunConfig(data=str(tiny_corpus), encoder=str(tiny_encoder), combiner="pcgrad"), building.REGISTRY)


def test_its_name_is_new_and_says_what_was_run(plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = []
    for _ in range(3):
        directory = RunDirectory.choose(None, plan)
        directory.create()
        made.append(directory.path)
    assert len(set(made)) == 3
    assert all(path.parent == Path("runs") and "-pcgrad-cnn-concat-mlp" in path.name for path in made)


def test_a_directory_that_is_there_is_not_written_into(plan: RunPlan, tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match="exists already"):
        RunDirectory.choose(tmp_path, plan)


def test_nothing_is_there_before_it_is_made_nor_after_it_is_taken_back(plan: RunPlan, tmp_path: Path) -> None:
    directory = RunDirectory.choose(tmp_path / "a" / "b", plan)
    assert list(tmp_path.iterdir()) == []
    directory.create()
    assert check(read_config(directory.path / "config.toml")) == plan.config
    directory.remove()
    assert not directory.path.exists()


def test_a_place_where_none_can_be_made_is_named(plan: RunPlan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(mtk.MtkError, match=r"The run's directory .*file/x cannot be made: Not a directory") as caught:
        RunDirectory([tmp_path / "file" / "x"], plan).create()
    assert caught.value.exit_code == 1


def unwritable(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_where_nothing_can_be_written_nothing_stays(
    plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full disk, a quota that is used up, a directory that can only be read."""
    monkeypatch.setattr(os, "fsync", unwritable(number))
    with pytest.raises(mtk.MtkError, match=rf"config.toml cannot be written: {os.strerror(number)}") as caught:
        RunDirectory.choose(tmp_path / "run", plan).create()
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def made(plan: RunPlan, path: Path) -> RunDirectory:
    directory = RunDirectory.choose(path, plan)
    directory.create()
    return directory


def test_two_that_begin_in_the_same_moment_have_directories_of_their_own(
    plan: RunPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = [RunDirectory.choose(None, plan) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(RunDirectory.create, chosen))
    assert len({directory.path for directory in chosen}) == 8
    assert all((directory.path / "config.toml").is_file() for directory in chosen)


def test_one_process_works_in_a_directory(plan: RunPlan, tmp_path: Path) -> None:
    directory = made(plan, tmp_path / "run")
    with pytest.raises(mtk.UsageError, match="Another process is at work"):
        RunDirectory.existing(tmp_path / "run", plan)
    directory.close()
    RunDirectory.existing(tmp_path / "run", plan).close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [(".lock", "link"), (".lock", "directory"), *(("metrics.jsonl", kind) for kind in ("pipe", "link", "directory"))],
)
def test_what_is_no_file_is_not_written_to_and_not_waited_for(plan: RunPlan, tmp_path: Path, name: str, kind: str) -> None:
    made(plan, tmp_path / "run").close()
    place, away = tmp_path / "run" / name, tmp_path / "away"
    away.write_text("mine")
    place.unlink(missing_ok=True)
    {"pipe": os.mkfifo, "directory": os.mkdir, "link": partial(os.symlink, away)}[kind](place)
    with pytest.raises(mtk.MtkError, match=name):
        directory = RunDirectory.existing(tmp_path / "run", plan)
        with closing(directory):
            directory.reopen(Told(0, ""))
            directory.mtk_evaluated(EVALUATION)
    assert away.read_text() == "mine"


EVALUATION = Evaluation(step=1, epoch=1, metrics={"sst": {"accuracy": 0.5}}, average=0.5, best=True)


def test_what_was_told_is_taken_up_again_as_far_as_it_counts_and_only_as_it_was(plan: RunPlan, tmp_path: Path) -> None:
    directory, file = made(plan, tmp_path / "run"), tmp_path / "run" / "metrics.jsonl"
    directory.mtk_evaluated(EVALUATION)
    told, before = directory.told(), file.read_bytes()
    assert told == (len(before), sha256(before).hexdigest())
    directory.mtk_evaluated(EVALUATION)
    directory.close()

    again = RunDirectory.existing(tmp_path / "run", plan)
    again.reopen(told)
    assert file.read_bytes() == before
    again.mtk_evaluated(EVALUATION)
    assert again.told() == (len(before) * 2, sha256(before * 2).hexdigest())
    for damaged in (before[:-1], before.replace(b"0.5", b"0.6")):
        file.write_bytes(damaged)
        with pytest.raises(mtk.DataError, match=r"metrics.jsonl is not what was saved"):
            again.reopen(told)
    again.close()


def test_modes_follow_the_umask(plan: RunPlan, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        directory = made(plan, tmp_path / "run")
        directory.mtk_evaluated(EVALUATION)
        directory.write_predictions(plan.tasks["sst"].task, "dev", ["a"], torch.tensor([1.0]))
        directory.close()
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o777 for p in [directory.path, *directory.path.rglob("*")]}
    assert set(modes.values()) == {0o640, 0o750}
    assert [name for name, mode in modes.items() if mode == 0o750] == ["run", "predictions"]


def test_the_summary_is_the_result(finished: Result) -> None:
    summary = json.loads((finished.out / "summary.json").read_text())
    assert finished.best is not None
    assert (summary["steps"], summary["best"]["metrics"]) == (finished.steps, finished.best.metrics)


def lines(out: Path, event: str) -> list[dict[str, object]]:
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == event]


def test_the_best_epoch_is_the_one_with_the_best_average(finished: Result) -> None:
    assert finished.best is not None
    evaluations = lines(finished.out, "evaluation")
    assert len(evaluations) == 2
    assert finished.best.average == max(e["average"] for e in evaluations)


def test_the_cosines_of_the_gradients_are_logged(finished: Result) -> None:
    cosines = lines(finished.out, "progress")[-1]["cosines"]
    assert isinstance(cosines, dict)
    assert set(cosines) == {"sst/para", "sst/sts", "para/sts"}
    assert all(-1.001 <= cosine <= 1.001 for cosine in cosines.values())


def test_predictions_are_plain_csv(finished: Result) -> None:
    written = (finished.out / "predictions" / "sst-dev-output.csv").read_text().splitlines()
    assert written[0] == "id,prediction"
    assert len(written) == 1 + 24
    row, label = written[1].split(",")
    assert row == "m0"
    assert label in ("bad", "fine", "good")
    assert {path.name for path in (finished.out / "predictions").iterdir()} == {
        "sst-dev-output.csv", "sst-test-output.csv", "para-dev-output.csv", "sts-dev-output.csv",
    }  # fmt: skip


def test_predictions_are_in_the_format_of_the_course_for_its_tasks(finished: Result, tmp_path: Path) -> None:
    plan = plan_run(check(read_config(finished.out / "config.toml")), building.REGISTRY)
    directory = RunDirectory.choose(tmp_path / "run", plan)
    directory.create()
    task = msgspec.structs.replace(plan.tasks["sst"].task, prediction="Predicted_Sentiment")
    directory.write_predictions(task, "dev", ["a", "b"], torch.tensor([1.0, 0.0]))
    directory.close()
    written = (tmp_path / "run" / "predictions" / "sst-dev-output.csv").read_text()
    assert written == f"id \t Predicted_Sentiment \na , {task.labels[1]} \nb , {task.labels[0]} \n"


def test_written_predictions_are_those_of_the_saved_model(finished: Result) -> None:
    model = mtk.load(finished.out, device="cpu")
    dev = building.read_tasks(Path(read_config(finished.out / "config.toml")["data"]))["sst"].dev
    written = (finished.out / "predictions" / "sst-dev-output.csv").read_text().splitlines()[1:]
    assert model.predict("sst", dev.texts[0]) == [line.split(",")[1] for line in written]


def test_nothing_in_the_directory_is_a_pickle(finished: Result) -> None:
    suffixes = {path.suffix for path in finished.out.rglob("*") if path.is_file()}
    assert suffixes <= {".toml", ".jsonl", ".json", ".safetensors", ".csv", ".txt"}
