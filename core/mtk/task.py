"""A task: its kind, and where its rows have what it is about."""

from __future__ import annotations

from typing import TypeAlias

from mtk.file_form import FileForm
from mtk.kind import Kind

Column: TypeAlias = str | tuple[str, ...]
"""The name of a column; or those of several, which make one list."""


class Task(FileForm, frozen=True, kw_only=True):
    """What a model must know of a task to predict it, and a file must have to be read for it: its columns, and the form that
    the task's files have. A head that names `task` in its constructor is given this."""

    name: str
    kind: Kind
    text: tuple[Column, ...]  # the columns of the texts: one, or two for a pair
    label: Column  # the column of the label
    id: str | None = None  # the column of the ids; rows are numbered where there is none
    group: str | None = None  # the column that says which rows are the candidates of one example
    prediction: str | None = None  # what the course CS224N calls it in the files that a run writes as the course reads them
    score: str | None = None  # which of its metrics counts; the kind's first unless given
    weight: float = 1.0  # what its loss is multiplied by

    @property
    def pair(self) -> bool:
        return len(self.text) == 2

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels as texts, in the order of the classes; none for a score."""
        return self.kind.labels

    @property
    def has_probabilities(self) -> bool:
        """Whether its kind says how likely an answer is."""
        return type(self.kind).probabilities is not Kind.probabilities

    @property
    def columns_of_text(self) -> tuple[str, ...]:
        """The names of all columns that its texts are in."""
        return tuple(name for column in self.text for name in ((column,) if isinstance(column, str) else column))

    @property
    def columns_of_label(self) -> tuple[str, ...]:
        """The names of all columns that its label is in."""
        return (self.label,) if isinstance(self.label, str) else self.label
