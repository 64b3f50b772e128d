"""A data set of the hub is a task's data: its splits, its classes, at a commit, with the hub or without."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from building import read_tasks
from hub_standin import Hub, of_the_study
from huggingface_hub import constants

import mtk
from mtk.config import read_config
from mtk.pipeline import evaluate

datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")

MOODS = """\
[mood]
kind = "classification"
labels = ["bad", "fine", "good"]
data = "org/moods"
text = "sentence"
label = "mood"
train = "train"
dev = "validation"
{more}
"""
CARD = """\
---
configs:
- config_name: small
  data_files:
  - {split: train, path: small/train.parquet}
  - {split: validation, path: small/dev.parquet}
- config_name: other
  data_files:
  - {split: train, path: other/train.jsonl}
---
"""


def parquet(rows: int, word: str = "dog", names: tuple[str, ...] = ("bad", "fine", "good")) -> bytes:
    """Sentences, each with a class that has a name."""
    moods = ["sad", "plain", "happy"]
    features = datasets.Features({"sentence": datasets.Value("string"), "mood": datasets.ClassLabel(names=list(names))})
    given = {"sentence": [f"the {word} is {moods[i % 3]}" for i in range(rows)], "mood": [i % 3 for i in range(rows)]}
    file = io.BytesIO()
    datasets.Dataset.from_dict(given, features).to_parquet(file)
    return file.getvalue()


def moods(standin: Hub, word: str = "dog") -> Any:
    files = {"README.md": CARD.encode(), "small/train.parquet": parquet(24, word), "small/dev.parquet": parquet(9, word)}
    return standin.add("dataset", "org/moods", {**files, "other/train.jsonl": b'{"sentence": "a", "mood": "bad"}\n'})


def corpus(directory: Path, *more: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "tasks.toml").write_text(MOODS.format(more="\n".join(more)))
    return directory


def test_its_splits_and_classes_are_the_tasks(standin: Hub, tmp_path: Path) -> None:
    moods(standin)
    data = read_tasks(corpus(tmp_path / "x", 'subset = "small"'))["mood"]
    assert (len(data.train), len(data.dev)) == (24, 9)
    assert data.train.texts[0][:3] == ["the dog is sad", "the dog is plain", "the dog is happy"]
    assert data.train.labels is not None
    assert data.train.labels[:4] == [0, 1, 2, 0]


def test_a_share_of_a_split_and_several_splits(standin: Hub, tmp_path: Path) -> None:
    moods(standin)
    root = corpus(tmp_path / "x", 'subset = "small"')
    text = (root / "tasks.toml").read_text().replace('train = "train"', 'train = ["train", "validation"]')
    (root / "tasks.toml").write_text(text.replace('dev = "validation"', "dev = 0.2"))
    data = read_tasks(root)["mood"]
    assert len(data.train) + len(data.dev) == 33
    assert 3 <= len(data.dev) <= 9


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (['revision = "v2"', 'subset = "small"'], "The data set 'org/moods' of http.* has no revision 'v2'"),
        (['subset = "smal"'], "datasets .* cannot read the data set 'org/moods': .*smal.*small"),
        ([], "datasets .* cannot read the data set 'org/moods': .*small.*other"),
        (['subset = "small"', 'test = "test"'], "has no split 'test'. Known: train, validation"),
        (['subset = "small"', 'separator = ";"'], "`separator` says what files are like, and `data` names a data set"),
    ],
)
def test_what_is_not_there_is_said(standin: Hub, tmp_path: Path, more: list[str], message: str) -> None:
    moods(standin)
    with pytest.raises(mtk.MtkError, match=message) as caught:
        read_tasks(corpus(tmp_path / "x", *more))
    assert "\n" not in str(caught.value)


def test_no_files_are_said_to_be_of_a_revision(tmp_path: Path) -> None:
    text = MOODS.format(more='revision = "v2"').replace('data = "org/moods"\n', "")
    (tmp_path / "tasks.toml").write_text(text)
    with pytest.raises(
        mtk.DataError, match="`subset` and `revision` are those of a data set of the hub, which `data` names"
    ):
        read_tasks(tmp_path)


def test_a_run_records_the_commit_and_a_repetition_takes_it(
    standin: Hub, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the data and of the encoder, also when the branch has moved on, and when nothing can be asked."""
    repository, first = moods(standin)
    encoder, encoders = standin.add("model", "org/tiny", tiny_encoder)
    root = corpus(tmp_path / "x", 'subset = "small"')
    small = {"data": str(root), "encoder": "org/tiny@main", "heads": "linear", "steps": 2, "device": "cpu"}
    run = mtk.run(out=tmp_path / "one", precision="fp32", **small)
    config = read_config(run.out / "config.toml")
    assert config["revisions"] == {"data org/moods": first, "encoder org/tiny@main": encoders}
    assert config["encoder"] == "org/tiny@main"

    second = repository.commit({"small/train.parquet": parquet(30, "cat"), "small/dev.parquet": parquet(12, "cat")})
    weights = (tiny_encoder / "model.safetensors").read_bytes()
    encoder.commit({"model.safetensors": weights[:-4] + b"\0\0\0\1"})
    plan, moved = Heard(), Heard()
    now = mtk.run(out=tmp_path / "now", listeners=[moved], **small)
    assert moved.train == 30
    assert read_config(now.out / "config.toml")["revisions"]["data org/moods"] == second

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    standin.asked.clear()
    again = mtk.run(mtk.config.check(config), out=tmp_path / "again", listeners=[plan])
    assert plan.train == 24
    assert again.best == run.best
    assert read_config(again.out / "config.toml") == config
    assert run.best is not None
    assert evaluate(run.out, device="cpu")["mood"] == pytest.approx(run.best.metrics["mood"], abs=1e-5)
    assert standin.asked == []


class Heard:
    train = 0

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        self.train = plan.tasks[0].train


def test_another_commit_than_was_loaded_down_is_not_taken_for_it(
    standin: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`datasets` takes what was loaded down last where it cannot ask."""
    repository, _ = moods(standin)
    read_tasks(corpus(tmp_path / "x", 'subset = "small"'))
    second = repository.commit({"small/train.parquet": parquet(30, "cat")})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert len(read_tasks(corpus(tmp_path / "x", 'subset = "small"'))["mood"].train) == 24, "the branch as it was then"
    with pytest.raises(mtk.DataError, match=f"its commit {second} was not loaded down before"):
        read_tasks(corpus(tmp_path / "x", 'subset = "small"', f'revision = "{second}"'))


def test_a_connection_that_breaks_is_one_message_and_no_half_of_the_data(
    standin: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts
    moods(standin)
    standin.cut = "train.parquet"
    root = corpus(tmp_path / "x", 'subset = "small"')
    with pytest.raises(mtk.DataError, match="The data set 'org/moods' cannot be had") as caught:
        read_tasks(root)
    assert "\n" not in str(caught.value)
    standin.cut = None
    assert len(read_tasks(root)["mood"].train) == 24


def test_the_studys_tasks_are_read_as_the_hub_has_them(standin: Hub, tmp_path: Path) -> None:
    of_the_study(standin)
    from mtk.host.registry import Registry
    from mtk.plan import find_data

    data = read_tasks(find_data("hub", Registry()))
    assert {name: (len(d.train), len(d.dev), len(d.test or [])) for name, d in data.items()} == {
        "sst": (10, 10, 10), "para": (6, 6, 6), "sts": (6, 6, 6),
    }  # fmt: skip
    assert data["para"].dev.labels == [0, 1, 0, 1, 0, 1]
    assert data["sts"].train.labels == [0, 0.5, 1, 1.5, 2, 2.5]
    assert data["sst"].test is not None
    assert data["sst"].test.labels == [0, 1, 2, 3, 4] * 2
    assert data["sts"].test is not None
    assert data["sts"].test.labels is None
