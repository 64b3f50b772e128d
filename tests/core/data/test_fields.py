"""A row's texts and label are what the columns hold, as lists where the task asks for several."""

from __future__ import annotations

from typing import Any

import pytest
from kinds import Binary, Classification, make

from mtk.data.fields import check_count, label_of, texts_of
from mtk.file_form import FileForm
from mtk.task import Task

WORDS = Task(name="ner", kind=make("tokens", ("O", "X")), text=("words",), label="tags")
CHOICE = Task(name="choice", kind=make("multiple-choice"), text=("q", ("a", "b")), label="y")
LISTED = Task(name="rank", kind=make("ranking"), text=("q", "c"), label="rel")
MOODS = Task(name="mood", kind=make("multilabel", ("joy", "fear")), text=("t",), label="y")


def test_candidates_stand_in_columns_or_in_a_list() -> None:
    assert texts_of({"q": "why", "a": "so", "b": "thus"}, CHOICE) == ["why", ("so", "thus")]
    assert texts_of({"q": "why", "c": ["so", "thus", "3"]}, LISTED) == ["why", ("so", "thus", "3")]


def test_words_stand_in_a_text_or_in_a_list() -> None:
    assert texts_of({"words": "a dog"}, WORDS) == texts_of({"words": ["a", "dog"]}, WORDS) == ["a dog"]
    assert label_of({"tags": "O X"}, WORDS, FileForm()) == label_of({"tags": ["O", "X"]}, WORDS, FileForm()) == ["O", "X"]


@pytest.mark.parametrize(
    ("task", "fields", "reason"),
    [
        (LISTED, {"q": "why", "c": "so"}, "should hold a list of candidates"),
        (LISTED, {"q": "why", "c": []}, "'c' is an empty list"),
        (LISTED, {"q": "why", "c": ["so", ""]}, "'c' is empty"),
        (WORDS, {"words": ["a dog"]}, "'a dog' is none"),
        (CHOICE, {"q": "why", "a": "so"}, "there is no column 'b'"),
    ],
)
def test_what_does_not_fit_is_named(task: Task, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        texts_of(fields, task)


def test_a_label_by_column_is_a_list_and_every_label_has_the_tasks_name() -> None:
    columns = Task(name="mood", kind=MOODS.kind, text=("t",), label=("joy", "fear"))
    assert label_of({"joy": 1, "fear": 0}, columns, FileForm()) == ["1", "0"]
    assert label_of({"y": ["glad"]}, MOODS, FileForm(map={"glad": "joy"})) == ["joy"]


def test_an_empty_label_is_one_where_none_may_hold() -> None:
    assert label_of({"y": ""}, MOODS, FileForm()) == []
    assert label_of({"y": ""}, MOODS, FileForm(unlabelled=("",))) is None
    with pytest.raises(ValueError, match="'y' is empty"):
        label_of({"y": ""}, Task(name="b", kind=Binary(), text=("t",), label="y"), FileForm())


@pytest.mark.parametrize(
    ("task", "label", "texts", "reason"),
    [
        (WORDS, (0.0,), ["a dog"], "1 labels for 2 words"),
        (LISTED, (0.0, 1.0), ["q", ("a", "b", "c")], "2 labels for 3 candidates"),
        (CHOICE, 2.0, ["q", ("a", "b")], "number 2, counted from 0, and there are 2"),
    ],
)
def test_labels_are_as_many_as_what_they_are_of(task: Task, label: Any, texts: list[Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_count(label, texts, task)


def test_a_single_label_needs_no_count() -> None:
    check_count(1.0, ["a text"], Task(name="c", kind=Classification(("a", "b")), text=("t",), label="y"))
