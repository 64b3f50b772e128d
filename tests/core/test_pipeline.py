"""A run from its configuration to its result: in which order it is told of, what a mistake leaves, what repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import mtk
from mtk.config import check, read_config
from mtk.pipeline import evaluate


class Diary:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[msgspec.Struct] = []

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        assert (plan.out / "config.toml").is_file(), "the directory is there before anybody hears of it"
        self.heard.append(plan)

    @mtk.hookimpl
    def mtk_progressed(self, progress: mtk.Progress) -> None:
        self.heard.append(progress)

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
        self.heard.append(evaluation)

    @mtk.hookimpl
    def mtk_run_finished(self, result: mtk.Result) -> None:
        assert (result.out / "summary.json").is_file()
        self.heard.append(result)


def small(corpus: Path, encoder: Path, **settings: Any) -> dict[str, Any]:
    small = {"epochs": 1, "limit": 8, "batch_size": 8, "max_length": 16, "device": "cpu", "heads": "linear"}
    return {"data": str(corpus), "encoder": str(encoder), **small, **settings}


def test_it_is_told_of_in_order(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    diary = Diary()
    result = mtk.run(out=tmp_path / "x", listeners=[diary], **small(tiny_corpus, tiny_encoder, epochs=2))
    assert [type(event) for event in diary.heard] == [
        mtk.Plan, mtk.Progress, mtk.Evaluation, mtk.Progress, mtk.Evaluation, mtk.Result,
    ]  # fmt: skip
    assert diary.heard[-1] == result
    assert (result.epochs, result.steps, result.interrupted) == (2, 2, False)


@pytest.mark.parametrize(
    "wrong",
    [{"heads": "cnnn"}, {"combiner": "pcgrad:mode=x"}, {"heads": {"x": "cnn"}}, {"encoder": "nowhere/none"}, {"seeds": 3}],
    ids=str,
)
def test_a_mistake_leaves_nothing(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(mtk.UsageError):
        mtk.run(out=tmp_path / "x", **{**small(tiny_corpus, tiny_encoder), **wrong})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_its_model_and_predicts_no_tests(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    class Impatient(Diary):
        @mtk.hookimpl
        def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
            raise KeyboardInterrupt

    result = mtk.run(out=tmp_path / "x", listeners=[Impatient()], **small(tiny_corpus, tiny_encoder, epochs=50))
    assert (result.interrupted, result.epochs) == (True, 1)
    assert mtk.load(result.out, device="cpu").predict("sst", ["the dog is happy"])
    assert {path.name for path in (result.out / "predictions").iterdir()} == {
        "sst-dev-output.csv", "para-dev-output.csv", "sts-dev-output.csv",
    }  # fmt: skip


def test_the_same_configuration_and_seed_repeat_the_run(finished: mtk.Result, tmp_path: Path) -> None:
    again = mtk.run(check(read_config(finished.out / "config.toml")), out=tmp_path / "again")
    assert again.best == finished.best
    for file in ("heads/sst.safetensors", "heads/para.safetensors", "encoder/model.safetensors"):
        assert (again.out / "model" / file).read_bytes() == (finished.out / "model" / file).read_bytes()


def test_another_seed_is_another_run(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    one, other = (
        mtk.run(out=tmp_path / str(seed), seed=seed, **small(tiny_corpus, tiny_encoder, steps=1)).out for seed in (0, 1)
    )
    head = "model/heads/sst.safetensors"
    assert (one / head).read_bytes() != (other / head).read_bytes()


def test_a_repetition_says_what_is_another_version_now(finished: mtk.Result, tmp_path: Path) -> None:
    config = check(read_config(finished.out / "config.toml"))
    versions = {**config.versions, "head cosine": "mtk-other 9.9", "head gone": "mtk-other 9.9"}
    older = msgspec.structs.replace(config, versions=versions, steps=1, limit=4)
    diary = Diary()
    again = mtk.run(older, out=tmp_path / "again", listeners=[diary])
    plan = diary.heard[0]
    assert isinstance(plan, mtk.Plan)
    assert plan.notes == [
        f"head cosine was mtk-other 9.9 in the run that this one repeats, and is {config.versions['head cosine']} here"
    ]
    assert read_config(again.out / "config.toml")["versions"] == config.versions


def test_evaluating_the_run_gives_the_scores_of_its_best_epoch(finished: mtk.Result) -> None:
    assert finished.best is not None
    for task, metrics in evaluate(finished.out, device="cpu").items():
        assert metrics == pytest.approx(finished.best.metrics[task], abs=1e-5)


CORPUS = """\
[sst]
kind = "{kind}"
labels = [{labels}]
text = "sentence"
label = "mood"
train = "sst.csv"
dev = "sst.csv"
[para]
kind = "binary"
text = ["a", "b"]
label = "y"
train = "pairs.csv"
dev = "pairs.csv"
{more}
"""
STS = '[sts]\nkind = "regression"\nrange = [0, 5]\ntext = ["a", "b"]\nlabel = "y"\ntrain = "pairs.csv"\ndev = "pairs.csv"'
OTHER = [
    ('"bad", "fine", "good"', "", r"The data has no task 'sts'"),
    (
        '"bad", "fine"',
        STS,
        r"Task 'sst' is classification\(2\) with the labels bad, fine in the data, .* on classification\(3\) with",
    ),
]


@pytest.mark.parametrize(("labels", "more", "message"), OTHER)
def test_other_data_has_the_same_tasks(finished: mtk.Result, tmp_path: Path, labels: str, more: str, message: str) -> None:
    (tmp_path / "tasks.toml").write_text(CORPUS.format(kind="classification", labels=labels, more=more))
    (tmp_path / "sst.csv").write_text("sentence,mood\nthe dog is sad,bad\n")
    (tmp_path / "pairs.csv").write_text("a,b,y\nthe dog,the cat,1\n")
    with pytest.raises(mtk.UsageError, match=message):
        evaluate(finished.out, data=str(tmp_path), device="cpu")


def test_labels_may_be_the_same_numbers(finished: mtk.Result, tmp_path: Path) -> None:
    """As the course has them, 0.0 and 1.0."""
    labels = CORPUS.format(kind="classification", labels='"bad", "fine", "good"', more=STS)
    (tmp_path / "tasks.toml").write_text(
        labels.replace('"binary"', '"binary"\nlabels = ["0.0", "1.0"]\nclass_weights = "balanced"')
    )
    (tmp_path / "sst.csv").write_text("sentence,mood\nthe dog is sad,bad\nthe dog is warm,good\n")
    (tmp_path / "pairs.csv").write_text("a,b,y\nthe dog,the cat,1\nthe dog,the dog,0\n")
    assert evaluate(finished.out, data=str(tmp_path), device="cpu")


def test_a_split_without_labels_cannot_be_evaluated(finished: mtk.Result) -> None:
    with pytest.raises(mtk.DataError, match="No task has a test split with labels"):
        evaluate(finished.out, split="test", device="cpu")
