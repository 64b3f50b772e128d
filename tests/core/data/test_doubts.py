"""What is odd about rows is said where it is so, and nothing is said of rows that are as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import Binary, Classification, Regression

from mtk.data.doubts import between, of_labels, of_rows, unbalanced
from mtk.data.fields import same_label
from mtk.data.split import Split
from mtk.file_form import FileForm
from mtk.task import Task

TASK = Task(name="t", kind=Binary(), text=("text",), label="label", id="id")
SCORES = Task(name="t", kind=Regression(0, 5), text=("text",), label="label")
PLAIN = FileForm()


def split(texts: list[str], labels: list[float] | None = None, ids: list[str] | None = None) -> Split:
    return Split(ids or [str(i) for i in range(len(texts))], (texts,), labels, Path("x.csv"))


def test_rows_as_they_should_be_raise_no_doubt() -> None:
    train, dev = split(["a b", "c\nd, e", "f"], [0, 1, 0]), split(["g", "h"], [1, 0])
    assert not of_rows(train, TASK, PLAIN) and not between(train, [("dev", dev)], TASK) and not unbalanced(dev, TASK)
    german = split(["Grüße", "Käse"])
    assert not of_rows(german, TASK, FileForm(encoding="latin-1"))


def test_ids_that_come_again() -> None:
    (doubt,) = of_rows(split(["a", "b", "c"], ids=["7", "8", "7"]), TASK, PLAIN)
    assert doubt.startswith("x.csv: 1 of 3 rows have an id that stands before, such as '7'")
    assert not of_rows(split(["a", "b"], ids=["0", "0"]), SCORES, PLAIN), "its rows are numbered, file by file"


@pytest.mark.parametrize(
    ("written", "read", "message"),
    [("utf-8", "latin-1", "seems to be UTF-8"), ("utf-8", "cp1252", "seems to be UTF-8"), ("cp1252", "latin-1", "cp1252")],
)
def test_another_encoding_than_the_files(written: str, read: str, message: str) -> None:
    texts = [text.encode(written).decode(read) for text in ("the café’s", "a ‘dog", "cat")]
    (doubt,) = of_rows(split(texts), TASK, FileForm(encoding=read))
    assert message in doubt


@pytest.mark.parametrize("text", ["the dog,1\nthe cat", "the dog\n1,the cat", 'x|0\n"y', "a\tb\n7\tc"])
def test_rows_that_a_stray_quote_made_one(text: str) -> None:
    (doubt,) = of_rows(split(["fine", text]), TASK, PLAIN)
    assert "1 of 2 texts hold what looks like rows of their own, such as that of 1" in doubt


def test_training_rows_among_the_others() -> None:
    train, dev = split(["a", "b"], [0, 1]), split(["b", "c", "b"], [1, 0, 1])
    assert between(train, [("dev", dev)], TASK) == ["2 of 3 dev rows stand in the training rows too, word for word"]


def test_labels_that_no_training_row_has() -> None:
    task = Task(name="t", kind=Classification(("x", "y", "z")), text=("text",), label="label")
    (doubt,) = between(split(["a"], [0]), [("dev", split(["b", "c"], [2, 0])), ("test", split(["d"], None))], task)
    assert doubt == "1 of 2 dev rows have a label that no training row has: z"
    assert not between(split(["a"], [0.5]), [("dev", split(["b"], [2.5]))], SCORES)


def test_one_label_nearly_throughout() -> None:
    labels = [1.0] * 19 + [0.0]
    (doubt,) = unbalanced(split([str(i) for i in range(20)], labels), TASK)
    assert "19 of 20 rows have the label 1" in doubt and "95.0%" in doubt
    assert not unbalanced(split(["a"] * 19, labels[:19]), TASK), "too few to say"
    assert not unbalanced(split(["a"] * 20), TASK), "without labels"


def test_what_unknown_labels_have_in_common() -> None:
    task = Task(name="t", kind=Classification(("Good", "bad")), text=("text",), label="label")
    said, rows = of_labels({"good": 3, "BAD ": 1, "Good\u200b": 1, "other": 2}, task)
    assert rows == 5 and '"good" = "Good"' in said
    assert of_labels({"other": 9}, task) == ("", 0)
    for number in ("1,5", "1.000,5", "10%", "2,5 %"):
        assert of_labels({number: 2}, SCORES)[1] == 2
    assert of_labels({"9": 2, "a,b": 1}, SCORES) == ("", 0)


def test_accents_of_either_encoding_are_the_same_label() -> None:
    assert same_label("cafe\u0301", ("tea", "café")) == "café"
    assert same_label("café", ("tea", "cafe\u0301")) == "cafe\u0301"
    assert same_label("cafè", ("café",)) == "cafè"
