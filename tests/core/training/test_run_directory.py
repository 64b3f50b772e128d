"""What a run leaves: a directory of which each file is what it says, and nothing is executed when it is read."""

from __future__ import annotations

import json
from pathlib import Path

import building
import msgspec
import pytest
import torch

import mtk
from mtk.config import RunConfig, check, read_config
from mtk.events import Result
from mtk.plan import RunPlan, plan_run
from mtk.training.run_directory import RunDirectory


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
    with pytest.raises(mtk.UsageError, match=r"The run's directory .*file/x cannot be made: Not a directory"):
        RunDirectory([tmp_path / "file" / "x"], plan).create()


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
