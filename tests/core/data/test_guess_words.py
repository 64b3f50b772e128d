"""Files with a word a line are known by what is in them, and become a task of words."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import KINDS

from mtk.data.guess import guess_tasks
from mtk.data.guess_words import of_words
from mtk.data.tasks_toml import read_layout, read_task

WORDS = "EU NNP B-ORG\nrejects VBZ O\n\nRome NNP B-LOC\n. . O\n\n"


def test_the_files_of_a_shared_task_are_one_task(tmp_path: Path) -> None:
    for name in ("eng.train", "eng.testa", "eng.testb"):
        (tmp_path / name).write_text(f"-DOCSTART- -X- O\n\n{WORDS}")
    ((guess,), passed) = guess_tasks(tmp_path)
    assert not passed
    assert guess.name == "eng"
    assert guess.files == {"train": ["eng.train"], "dev": ["eng.testa"], "test": ["eng.testb"]}
    (tmp_path / "tasks.toml").write_text(guess.toml())
    (source,) = read_layout(tmp_path, KINDS).values()
    assert source.task.labels == ("O", "B-LOC", "B-ORG")
    data = read_task(source)
    assert data.train.texts == (["EU rejects", "Rome ."],)
    assert data.train.labels == [(2.0, 0.0), (1.0, 0.0)]


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        (WORDS, True),
        ("a text of five words\n\nand one of six words here\n", False),
        ("one\ntwo\n", False),
        ("a b\nc d\n", False),
    ],
)
def test_a_text_is_no_list_of_words(tmp_path: Path, text: str, is_it: bool) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert of_words(tmp_path / "a.txt") == is_it


def test_the_universal_form_is_known_by_its_columns(tmp_path: Path) -> None:
    row = "\t".join(["1", "dog", "dog", "NOUN", *["_"] * 6])
    other = "\t".join(["1", "sees", "see", "VERB", *["_"] * 6])
    (tmp_path / "en-train.conllu").write_text(f"# text = dog\n{row}\n\n{other}\n\n")
    ((guess,), _) = guess_tasks(tmp_path)
    assert (guess.keys["text"], guess.keys["label"], guess.keys["labels"]) == ("form", "upos", ["NOUN", "VERB"])
