"""What a row says in the columns of a task: its texts, with candidates or words among them, and its label."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from mtk.data import formats
from mtk.data.arrow_files import ClassLabel
from mtk.file_form import FileForm
from mtk.task import Column, Task

Fields: TypeAlias = Mapping[str, Any]
Text: TypeAlias = str | tuple[str, ...]
"""A text, or those of several candidates."""


def texts_of(fields: Fields, task: Task) -> list[Text]:
    """The texts of a row, of which one is a tuple where it has candidates. Raises ValueError."""
    found = [_text(fields, column, task) for column in task.text]
    lists = [text for text in found if isinstance(text, tuple)]
    if task.kind.candidates and not task.group and len(lists) != 1:
        columns = " and ".join(f"'{column}'" for column in task.text if isinstance(column, str))
        raise ValueError(
            f"one of {columns} should hold a list of candidates. Where they stand in columns of their own, name these as a "
            f'list in `text`, ["question", ["a", "b"]]; where in rows of their own, `group` says which belong together'
        )
    return found


def label_of(fields: Fields, task: Task, form: FileForm) -> str | list[str] | None:
    """The label as it stands in a row, under the names that the task has for labels: a list where a file has one, where the
    task names several columns, and for a label by word. None for what stands for no label. Raises ValueError."""
    if len(columns := task.columns_of_label) > 1:
        return [form.named(formats.field(fields, column, str, int, float)) for column in columns]
    value = formats.find(fields, columns[0])
    if isinstance(value, list | tuple):
        return [form.named(text) for text in _items(value, columns[0])]
    if isinstance(value, ClassLabel) and value.name in task.labels:
        return value.name
    if formats.blank(value) and formats.has(fields, columns[0]):
        if "" in (form.unlabelled or ()):
            return None
        if task.kind.may_be_empty:
            return []
    text = same_label(formats.field(fields, columns[0], str, int, float), task.labels)
    if form.is_unlabelled(text):
        return None
    return [form.named(word) for word in text.split()] if task.kind.level == "token" else form.named(text)


def same_label(text: str, labels: Iterable[str]) -> str:
    """The label that differs from a text in nothing but how its accents are encoded, or the text."""
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFC", text)
    return next((label for label in labels if unicodedata.normalize("NFC", label) == composed), text)


def check_count(label: Any, texts: list[Text], task: Task) -> None:
    """Whether there is a label for each word, or for each candidate; or the one that is right is among the candidates.
    Raises ValueError."""
    candidates = next((text for text in texts if isinstance(text, tuple)), ())
    if task.kind.level == "token":
        words = len(str(texts[0]).split())
        if len(label) != words:
            raise ValueError(f"there are {len(label)} labels for {words} words, which are what stands between white space")
    elif task.labels and len(candidates) > len(task.labels):
        raise ValueError(f"there are {len(candidates)} candidates, and `labels` names {len(task.labels)}")
    elif candidates and isinstance(label, tuple) and len(label) != len(candidates):
        raise ValueError(f"there are {len(label)} labels for {len(candidates)} candidates")
    elif candidates and isinstance(label, float) and not label < len(candidates):
        raise ValueError(f"the right candidate is number {label:g}, counted from 0, and there are {len(candidates)}")


def _text(fields: Fields, column: Column, task: Task) -> Text:
    if not isinstance(column, str):
        return tuple(formats.field(fields, name, str) for name in column)
    value = formats.find(fields, column)
    if not isinstance(value, list | tuple) or not (task.kind.candidates or task.kind.level == "token"):
        return formats.field(fields, column, str)
    items = _items(value, column)
    if task.kind.candidates:
        return tuple(items)
    if unfit := [word for word in items if len(word.split()) != 1]:
        raise ValueError(f"'{column}' lists words, and {unfit[0]!r} is none: it is empty or holds white space")
    return " ".join(items)


def _items(values: list[Any] | tuple[Any, ...], column: str) -> list[str]:
    texts = [formats.field({column: value}, column, str, int, float) for value in values]
    if not texts:
        raise ValueError(f"'{column}' is an empty list")
    return texts
