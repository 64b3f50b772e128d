"""What a run leaves: enough to repeat it, to predict with it, and to notice that it was tampered with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from building import read_tasks

import mtk
from mtk.config import check, read_config
from mtk.events import Result
from mtk.pipeline import evaluate

SETTINGS = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "max_length": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_encoder: Path) -> Result:
    out = tmp_path_factory.mktemp("runs") / "one"
    return mtk.run(
        out=out, data=str(tiny_corpus), encoder=str(tiny_encoder), combiner="pcgrad", heads={"para": "cosine"}, **SETTINGS
    )


def lines(out: Path, event: str) -> list[dict[str, object]]:
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == event]


def test_the_same_configuration_and_seed_repeat_the_run(finished: Result, tmp_path: Path) -> None:
    again = mtk.run(check(read_config(finished.out / "config.toml")), out=tmp_path / "again")
    assert again.best == finished.best
    for file in ("heads/sst.safetensors", "heads/para.safetensors", "encoder/model.safetensors"):
        assert (again.out / "model" / file).read_bytes() == (finished.out / "model" / file).read_bytes()


def test_a_repetition_says_what_is_another_version_now(finished: Result, tmp_path: Path) -> None:
    said: list[str] = []

    class Listener:
        @mtk.hookimpl
        def mtk_run_started(self, plan: mtk.Plan) -> None:
            said.extend(plan.notes)

    config = check(read_config(finished.out / "config.toml"))
    versions = {**config.versions, "head cosine": "mtk-other 9.9", "head gone": "mtk-other 9.9"}
    older = msgspec.structs.replace(config, versions=versions, steps=1)
    again = mtk.run(older, out=tmp_path / "again", listeners=[Listener()])
    assert said == [
        f"head cosine was mtk-other 9.9 in the run that this one repeats, and is {config.versions['head cosine']} here"
    ]
    assert read_config(again.out / "config.toml")["versions"] == config.versions


def test_another_seed_is_another_run(finished: Result, tmp_path: Path) -> None:
    config = check(read_config(finished.out / "config.toml"))
    other = mtk.run(msgspec.structs.replace(config, seed=1), out=tmp_path / "other")
    heads = "model/heads/sst.safetensors"
    assert (other.out / heads).read_bytes() != (finished.out / heads).read_bytes()


def test_evaluating_the_run_gives_the_scores_of_its_best_epoch(finished: Result) -> None:
    assert finished.best is not None
    for task, metrics in evaluate(finished.out, device="cpu").items():
        assert metrics == pytest.approx(finished.best.metrics[task], abs=1e-5)


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


def test_predictions_are_in_the_format_of_the_course(finished: Result) -> None:
    written = (finished.out / "predictions" / "sst-dev-output.csv").read_text().splitlines()
    assert written[0] == "id \t prediction "
    assert len(written) == 1 + 24
    row, label = written[1].split(" , ")
    assert row == "m0"
    assert label.strip() in ("bad", "fine", "good")
    assert {path.name for path in (finished.out / "predictions").iterdir()} == {
        "sst-dev-output.csv", "sst-test-output.csv", "para-dev-output.csv", "sts-dev-output.csv",
    }  # fmt: skip


def test_written_predictions_are_those_of_the_saved_model(finished: Result) -> None:
    model = mtk.load(finished.out, device="cpu")
    dev = read_tasks(Path(read_config(finished.out / "config.toml")["data"]))["sst"].dev
    written = (finished.out / "predictions" / "sst-dev-output.csv").read_text().splitlines()[1:]
    assert model.predict("sst", dev.texts[0]) == [line.split(" , ")[1].strip() for line in written]


def test_a_pair_task_wants_pairs_and_a_known_task(finished: Result) -> None:
    model = mtk.load(finished.out, device="cpu")
    assert len(model.predict("sts", [("the dog eats bread", "the cat eats fish")])) == 1
    with pytest.raises(mtk.UsageError, match="pairs"):
        model.predict("sts", ["the dog eats bread"])
    with pytest.raises(mtk.UsageError, match="single"):
        model.predict("sst", [("a", "b")])
    with pytest.raises(mtk.UsageError, match="sts"):
        model.predict("stss", ["a"])


def test_predictions_do_not_depend_on_the_batch(finished: Result) -> None:
    model = mtk.load(finished.out, device="cpu")
    pairs = [("the dog eats bread", "the cat eats fish" * n) for n in range(1, 8)]
    together = model.predict("sts", pairs)
    alone = [model.predict("sts", [pair])[0] for pair in pairs]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone), atol=1e-4, rtol=1e-4)


def test_nothing_in_the_directory_is_a_pickle(finished: Result) -> None:
    suffixes = {path.suffix for path in finished.out.rglob("*") if path.is_file()}
    assert suffixes <= {".toml", ".jsonl", ".json", ".safetensors", ".csv", ".txt"}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize(
    "file",
    [
        "model/heads/sst.safetensors",
        "model/encoder/model.safetensors",
        "model/encoder/config.json",
        "model/encoder/tokenizer.json",
    ],
)
def test_a_damaged_file_is_named(finished: Result, tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.out, copy)
    damage(copy / file)
    with pytest.raises(mtk.DataError, match=Path(file).name):
        mtk.load(copy, device="cpu")


EDITS: dict[str, Callable[[str], str]] = {
    "cut": lambda card: card[:-30],
    "value": lambda card: card.replace('"pooling": "mean"', '"pooling": "median"'),
    "task": lambda card: card.replace('"sst"', '"xyz"', 1),
    "emptied": lambda card: "",
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_card_is_noticed(finished: Result, tmp_path: Path, edit: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.out, copy)
    card = copy / "model" / "model.json"
    card.write_text(EDITS[edit](card.read_text()))
    with pytest.raises(mtk.DataError, match=r"model\.json"):
        mtk.load(copy, device="cpu")
