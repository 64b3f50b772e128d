"""Texts are those of the answers' rows, or none: where the data is another by now, that is said and nothing is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mtk
from mtk.study.examples import label_names, texts
from mtk.study.record import read_run


@pytest.fixture(scope="module")
def data(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of one's own, to be changed."""
    copy = tmp_path_factory.mktemp("own") / "corpus"
    shutil.copytree(tiny_corpus, copy)
    return copy


@pytest.fixture(scope="module")
def run(data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    mtk.run(data=str(data), encoder=str(tiny_encoder), limit={"sst": 9}, steps=1, device="cpu", out=out)
    return out


def test_each_answer_has_its_texts_and_labels_their_names(run: Path) -> None:
    record = read_run(run)
    answers = record.development()
    found, problem = texts(record, answers)
    assert problem == "" and set(found) == {"sst", "para", "sts"}
    assert [len(of_task) for of_task in found.values()] == [len(answers[task].ids) for task in found]
    assert len(found["sst"]) == 9 and len(found["sst"][0]) == 1 and len(found["para"][0]) == 2
    moods = {("awful", "boring", "dull", "sad"): 0.0, ("fair", "plain", "quiet", "usual"): 1.0}
    for (text,), label in zip(found["sst"], answers["sst"].labels, strict=True):
        assert next((known for words, known in moods.items() if text.split()[-1] in words), 2.0) == label
    assert label_names(record) == {"sst": ("bad", "fine", "good")}


def test_texts_that_are_not_the_rows_any_more_are_not_shown(run: Path, data: Path) -> None:
    file = data / "para-dev.csv"
    kept = file.read_text()
    file.write_text("".join(kept.splitlines(keepends=True)[:-1]))
    record = read_run(run)
    found, problem = texts(record, record.development())
    assert set(found) == {"sst", "sts"}
    assert problem == "The texts of para are not shown: the data is not what it was in the run."
    file.write_text(kept)


def test_where_the_data_is_gone_that_is_said(run: Path, data: Path) -> None:
    record = read_run(run)
    aside = data.rename(data.with_name("aside"))
    found, problem = texts(record, record.development())
    aside.rename(data)
    assert found == {} and problem.startswith("The examples' texts are not shown: ") and str(data) in problem
