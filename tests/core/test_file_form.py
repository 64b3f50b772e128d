"""What a file is like: a split's form over its task's, labels by other names, and what stands where there is none."""

from __future__ import annotations

import msgspec
import pytest

from mtk.file_form import FileForm


def test_what_one_form_does_not_say_another_does() -> None:
    split, task = FileForm(separator=";"), FileForm(separator=",", quote="none", unlabelled=("-1",))
    assert split.over(task) == FileForm(separator=";", quote="none", unlabelled=("-1",))
    assert FileForm().over(task) == task


@pytest.mark.parametrize(("text", "none"), [("", True), ("-1", True), ("-1.0", True), ("1", False), ("hidden", False)])
def test_what_stands_where_there_is_no_label(text: str, none: bool) -> None:
    assert FileForm(unlabelled=("-1",)).is_unlabelled(text) == none


def test_a_label_has_the_tasks_name() -> None:
    form = FileForm(map={"neg": "0", "pos*": "1"})
    assert [form.named(text) for text in ("neg", "pos", "positive", "2")] == ["0", "1", "1", "2"]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"encoding": "utf-9"}, "there is no encoding 'utf-9'"),
        ({"encoding": "base64"}, "there is no encoding 'base64'"),
        ({"columns": ["a", "b", "a"]}, "`columns` names a column twice: a, b, a"),
        ({"separator": '"'}, "`separator` is one character"),
        ({"quote": "single"}, "single"),
    ],
)
def test_what_no_file_can_be_like_is_refused(given: dict[str, object], answer: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=answer):
        msgspec.convert(given, FileForm)
