"""From files to a split: rows with labels, and plain text to predict.

Reading is strict, and says `file:line: reason` of what it cannot read; the line is the one on which the row starts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from mtk.calling.failures import call, calling, failures
from mtk.data import doubts, formats
from mtk.data.conll import sentences
from mtk.data.fields import Text, check_count, label_of, texts_of
from mtk.data.formats import Row, format_of, has, is_json, read_rows
from mtk.data.groups import grouped
from mtk.data.guess_words import of_words
from mtk.data.split import Label, Split, as_label, is_missing, numbers
from mtk.data.text_files import decoded, read_lines
from mtk.errors import DataError, MtkError
from mtk.file_form import FileForm
from mtk.task import Task

BadRows: TypeAlias = Literal["error", "skip"]

# A label that is none of the task's, in so many rows and in such a share of them, is no slip of the pen: to skip its rows
# would be to train on another task than the file's.
SYSTEMATIC_ROWS, SYSTEMATIC_SHARE = 2, 0.05
_NONE = ("-", "-1", "?", "nan", "null", "none", "n/a", "na", "unknown")  # what people write where there is no label
WINDOW = 4096  # rows that are read, sorted by length and predicted at once
MOST_SKIPPED = 0.5  # of the rows; beyond it the file is another one than was thought

_ADVICE = {
    "error": "Mend it, or leave such rows out with --bad-rows skip.",
    "skip": "No row can be read; look whether this is the right file.",
    "predict": "Mend it or take it out; every row is predicted, or none.",
}


def read_split(
    path: Path | Sequence[Path], task: Task, *, labelled: bool, bad_rows: BadRows = "error", form: FileForm | None = None
) -> Split:
    """The examples of a file, or of several one after the other, their texts without the white space around them. `form` is
    what the files are like where it is not as the task has it.

    Blank lines are no rows. What stands for no label (`unlabelled`) leaves a row out, which is counted in `Split.notes`.
    With `labelled=False`, for a test file, such a row and one with an empty label are kept, their label NaN; the column of
    the labels may be missing; and labels are None if no row has one. Rows without an id are numbered from 0 as they stand.

    `bad_rows="skip"` leaves out each row that cannot be read and notes it in `Split.skipped`. What hides where the next
    row starts (a broken quote, another encoding) or concerns every row (a missing column) is an error all the same, and
    so is what would leave out more than half of the rows, or a label that the file has throughout. Raises DataError.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    rows, form = _rows_of(paths, task, labelled, form)
    reading = _Reading(task, form, "all" if labelled else "some")
    for number, (source, line, fields) in enumerate(grouped(rows, task)):
        reading.take(number, f"{source}:{line}", fields)
    source = paths[0] if len(paths) == 1 else paths[0].parent / ", ".join(p.name for p in paths)
    return reading.split(source, bad_rows)


def windows_of_split(
    path: Path, task: Task, *, size: int, bad_rows: BadRows = "error", form: FileForm | None = None
) -> Iterator[Split]:
    """The labelled examples of a file as `read_split` reads them, `size` rows at a time, of which no more are held; what is
    told of rows is told of these alone. Raises DataError."""
    rows, form = _rows_of([path], task, True, form)
    yield from _windows(((line, fields) for _, line, fields in rows), path, task, form, size, "all", bad_rows)


def _rows_of(
    paths: Sequence[Path], task: Task, labelled: bool, form: FileForm | None
) -> tuple[Iterator[tuple[Path, int, Any]], FileForm]:
    """The rows of files, one after the other, and what the files are like."""
    form = (form or FileForm()).over(task.form)
    needed = [*task.columns_of_text, *(task.columns_of_label if labelled else ()), *([task.group] if task.group else ())]
    return chain.from_iterable(((p, *row) for row in read_rows(p, form, needed)) for p in paths), form


def read_texts(source: Path, task: Task, form: FileForm | None = None) -> Split:
    """The texts of a file, without labels, to predict: of a table as `read_split` reads it, of a .txt file or one without a
    suffix as `parse_lines` does. `form` is what the file is like where it is not as the task has it. Raises DataError."""
    return next(windows_of_texts(source, task, form, size=None))


def windows_of_texts(
    source: Path, task: Task, form: FileForm | None = None, *, size: int | None = WINDOW
) -> Iterator[Split]:
    """The same, `size` rows at a time, of which no more are held; at least one such split. Candidates that stand in rows of
    their own (`group`) are all read first, since those of one example may stand anywhere. Raises DataError, which says how
    many rows came before."""
    asked = form or FileForm()
    form = asked.over(task.form)
    # What the task says of its own files makes no table of a text; what is asked of this file does.
    as_named = format_of(source, asked)
    if form.format == "conll" and as_named in (None, "plain") and of_words(source):
        return _windows(read_rows(source, form, task.columns_of_text), source, task, form, size)
    if as_named is None and format_of(source, form) is None:
        raise DataError(f"{formats.unknown(source)} Of text with an example a line, the name ends in .txt.")
    if as_named == "plain" or as_named is None:
        lines = read_lines(source, form.encoding)
        first = next(lines)
        lines = chain([first], lines)
        if not _is_like_its_files(first, task):
            return _windows(_plain(lines, task, source), source, task, form, size)
        separator = task.separator or ","
        rows = formats.delimited(lines, source, separator, task.columns_of_text, form)
        return _windows(rows, source, task, form, size)
    return _windows(read_rows(source, form, task.columns_of_text), source, task, form, size)


def parse_lines(lines: Iterable[str], task: Task, source: Path) -> Split:
    """Plain text to predict: an example a line, a tab between the texts of a pair. `source` is what messages name.

    A blank line is an error, for dropping it would move the predictions below it. Raises DataError.
    """
    return next(windows_of_lines(lines, task, source, size=None))


def parse_stream(stream: BinaryIO, task: Task, source: Path, form: FileForm | None = None) -> Split:
    """Standard input to predict, as `windows_of_lines` reads its lines. Raises DataError."""
    lines = decoded(stream, form.encoding if form else None)
    return next(windows_of_lines(lines, task, source, form, size=None))


def windows_of_lines(
    lines: Iterable[str], task: Task, source: Path, form: FileForm | None = None, *, size: int | None = WINDOW
) -> Iterator[Split]:
    """Lines to predict, `size` rows at a time: text as `parse_lines` reads it, or a table if `form` says what separates its
    columns, or names them, or a word a line if it says that. Raises DataError."""
    form = form or FileForm()
    advice = "`--encoding` names another."
    rows: Iterable[Row]
    if form.format == "conll":
        rows = sentences(lines, form)
    elif form.separator or form.columns:
        rows = formats.delimited(lines, source, form.separator or ",", task.columns_of_text, form)
    else:
        rows, form, advice = _plain(lines, task, source), FileForm(), "Save it as UTF-8."
    try:
        yield from _windows(rows, source, task, form, size)
    except UnicodeDecodeError as error:  # of what is decoded while it is read
        raise DataError(f"{source}: this is not {error.encoding}: {error.reason}. {advice}") from None


def _windows(
    rows: Iterable[Row],
    source: Path,
    task: Task,
    form: FileForm,
    size: int | None,
    labels: Literal["all", "none"] = "none",
    bad_rows: Literal["error", "skip", "predict"] = "predict",
) -> Iterator[Split]:
    numbered = enumerate(grouped(((source, *row) for row in rows), task))
    before = 0
    while True:
        reading = _Reading(task, form, labels)
        for number, (_, line, fields) in islice(numbered, size):
            reading.take(number, f"{source}:{line}", fields)
        if before and not reading.rows:
            return
        yield reading.split(source, bad_rows, before)
        before += reading.rows
        if size is None or reading.rows < size:
            return


@dataclass
class _Reading:
    """What becomes of rows, one after the other."""

    task: Task
    form: FileForm
    labels: Literal["all", "some", "none"]  # which rows must have a label: all; those that have one; or none is read
    rows: int = 0
    ids: list[str] = field(default_factory=list)
    texts: tuple[list[Text], ...] = ()
    values: list[Label] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    unlabelled: int = 0
    empty: int = 0  # rows with nothing where a label should be
    numbered: int = 0  # rows without the id that the task has
    unknown: Counter[str] = field(default_factory=Counter)  # labels that are none of the task's

    def __post_init__(self) -> None:
        self.texts = tuple([] for _ in self.task.text)

    def take(self, number: int, where: str, fields: Mapping[str, Any] | str) -> None:
        self.rows += 1
        task = self.task
        try:
            if isinstance(fields, str):
                raise ValueError(fields)
            texts = texts_of(fields, task)
            value = self._label(fields, texts)
            identity = task.group or task.id
            named = identity is not None and has(fields, identity)
            row_id = formats.field(fields, identity, str, int) if named and identity else str(number)
        except ValueError as reason:
            self.skipped.append(f"{where}: {reason}")
            return
        self.numbered += identity is not None and not named
        if self.labels == "all" and is_missing(value):
            self.unlabelled += 1
            return
        self.ids.append(row_id)
        self.values.append(value)
        for column, text in zip(self.texts, texts, strict=True):
            column.append(text)

    def _label(self, fields: Mapping[str, Any], texts: list[Text]) -> Label:
        if self.labels == "none" or (self.labels == "some" and not self._has_label(fields)):
            return math.nan
        self.empty += not self._has_label(fields)
        label = label_of(fields, self.task, self.form)
        if label is None:
            return math.nan
        value = self._number(label)
        check_count(value, texts, self.task)
        return value

    def _has_label(self, fields: Mapping[str, Any]) -> bool:
        return not all(formats.blank(formats.find(fields, column)) for column in self.task.columns_of_label)

    def _number(self, label: str | list[str]) -> Label:
        """A label as the kind reads it. Raises ValueError, and UsageError where the kind breaks its promise."""
        kind = self.task.kind
        try:
            value = kind.read_label(label)
        except ValueError:
            text = label if isinstance(label, str) else " ".join(label)
            if text in self.unknown or len(self.unknown) < 1000:
                self.unknown[text] += 1
            raise
        except MtkError:
            raise
        except failures():
            value = call(kind, "read_label", on=f" on {label!r}", label=label)  # again, for the error that names it
        return as_label(value)

    def split(self, source: Path, bad_rows: Literal["error", "skip", "predict"], before: int = 0) -> Split:
        """The split, of rows with so many `before` them. Raises DataError for what may not be left out."""
        systematic = self._systematic() if self.skipped else ""
        if self.skipped and (bad_rows != "skip" or not self.ids or systematic):
            more = f" (and {len(self.skipped) - 1} more)" if len(self.skipped) > 1 else ""
            advice = _ADVICE[bad_rows] if bad_rows != "skip" or not self.ids else ""
            if before and bad_rows == "predict":
                advice = f"Mend it or take it out; {before:,} rows above it were predicted, of which --out keeps none."
            said = [f"{self.skipped[0]}{more}.", systematic or self._hint(), "" if systematic else advice]
            raise DataError(" ".join(part for part in said if part))
        if not self.ids and self.unlabelled:
            raise DataError(
                f"{source}: not one of its {self.unlabelled:,} rows has a label. Look whether this is the right file."
            )
        if not self.ids:
            raise DataError(f"{source}: there is not one row in it. Look whether this is the right file.")
        labels = None if all(map(is_missing, self.values)) else self.values
        split = Split(self.ids, self.texts, labels, source, self.skipped, self._notes(source, labels))
        split.notes.extend(doubts.of_rows(split, self.task, self.form))
        return split

    def _systematic(self) -> str:
        """Why the bad rows may not be left out, if they may not: what they have in common, and what to do."""
        said, count = doubts.of_labels(self.unknown, self.task)
        if count >= SYSTEMATIC_ROWS and count >= SYSTEMATIC_SHARE * self.rows:
            return said
        if self._is_signed():
            return self._hint()
        labels = [(label, count) for label, count in self.unknown.most_common() if label.lower() not in _NONE]
        for label, count in labels[:1]:
            if self._shifted() or (count >= SYSTEMATIC_ROWS and count >= SYSTEMATIC_SHARE * self.rows):
                return self._hint() or (
                    f"The label '{label}' stands in {count:,} of {self.rows:,} rows: without them it would be another task. "
                    f"Name it in `labels`, `map` it to one of them, or say that it stands for no label: "
                    f'`unlabelled = ["{label}"]`.'
                )
        if len(self.skipped) >= SYSTEMATIC_ROWS and self.ids and len(self.skipped) > MOST_SKIPPED * self.rows:
            return f"{len(self.skipped):,} of {self.rows:,} rows are like that; look whether this is the right file."
        return ""

    def _shifted(self) -> bool:
        """Whether the labels are numbered from 1 where the task's are from 0."""
        labels = self.task.labels
        if not labels or labels != tuple(str(i) for i in range(len(labels))):
            return False
        return _index_of(self.unknown) == {len(labels)} and 0.0 not in self.values

    def _is_signed(self) -> bool:
        """Whether the labels are -1 and 1 where the task's are 0 and 1: then -1 is no mark of no label."""
        return self.labels == "all" and self.task.labels == ("0", "1") and "-1" in self.unknown and {*self.values} == {1.0}

    def _hint(self) -> str:
        if self.empty == len(self.skipped):
            return 'If nothing stands there for no label, say so: `unlabelled = [""]`.'
        said, _ = doubts.of_labels(self.unknown, self.task)
        if said or not self.unknown or not self.task.labels:
            return said
        if self._is_signed():
            return 'The file\'s labels are -1 and 1, and the task\'s 0 and 1: name them, `labels = ["-1", "1"]`.'
        if self._shifted():
            names = ", ".join(f'"{i}"' for i in range(1, len(self.task.labels) + 1))
            return (
                f"The file's labels begin with 1 and the task's with 0, so that each would be taken for the next: name "
                f"them, `labels = [{names}]`."
            )
        if len(self.unknown) == 1 and self.labels == "some" and not self.values:
            (label,) = self.unknown
            return f'If it stands for no label, say so: `unlabelled = ["{label}"]`.'
        return ""

    def _notes(self, source: Path, labels: list[Label] | None) -> list[str]:
        notes = []
        if self.unlabelled:
            notes.append(f"{source.name}: {self.unlabelled:,} of {self.rows:,} rows have no label and are left out")
        if self.numbered and self.labels == "all":
            notes.append(f"{source.name}: {self.numbered:,} rows have no '{self.task.id}' and are numbered")
        known = [label for label in labels or () if not is_missing(label)]
        if len(known) == 1 and self.labels == "all":
            notes.append(f"{source.name}: there is one row in it")
        elif len(known) > 1 and len({number for label in known for number in numbers(label)}) == 1:
            notes.append(one_value(source, self.task, known[0]))
        return notes


def one_value(source: Path, task: Task, label: Label) -> str:
    """What is said of a split that has one label alone."""
    with calling(task.kind, "value"):
        value = task.kind.written(task.kind.value(label))
    return f"{source.name}: every row has the label {value}; there is nothing to learn from it or to score"


def _index_of(labels: Iterable[str]) -> set[int]:
    try:
        return {int(float(label)) for label in labels}
    except (ValueError, OverflowError):
        return set()


def _is_header(line: str, task: Task, separator: str) -> bool:
    """Whether a line names the columns of the task's texts, and more."""
    fields = [name.strip().strip('"') for name in line.split(separator)]
    return len(fields) > 1 and set(task.columns_of_text) <= {*fields}


def _is_like_its_files(line: str, task: Task) -> bool:
    """Whether a line begins a table such as the task's own files are, by their header or by the number of their columns."""
    if task.columns and task.separator != " ":
        return 1 < len(task.columns) == len(line.split(task.separator or ","))
    return task.separator is not None and _is_header(line, task, task.separator)


def _plain(lines: Iterable[str], task: Task, source: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if number == 1:
            _refuse_tables(line, task, source)
        texts = line.split("\t") if task.pair or task.kind.candidates else [line]
        if not line.strip():
            yield number, "the line is blank"
        elif task.kind.candidates:
            yield number, _with_candidates(texts, task)
        elif len(texts) != len(task.text):
            yield number, f"there are {len(texts) - 1} tabs where one stands between two texts"
        else:
            yield number, dict(zip(task.columns_of_text, texts, strict=True))


def _with_candidates(texts: list[str], task: Task) -> dict[str, Any] | str:
    """The fields of a line with the example's own text, if it has one, and its candidates, a tab between any two."""
    own = len(task.text) - 1
    if len(texts) < own + 1:
        return "there is no tab between the text and its candidates"
    listed = next((column for column in task.text if not isinstance(column, str)), task.text[-1])
    others = [column for column in task.columns_of_text if column != listed and column not in listed][:own]
    if isinstance(listed, str):
        return {**dict(zip(others, texts, strict=False)), listed: texts[own:]}
    if len(listed) != len(texts) - own:
        return f"there are {len(texts) - own} candidates, and the task has {len(listed)}"
    return dict(zip([*others, *listed], texts, strict=True))


def _refuse_tables(line: str, task: Task, source: Path) -> None:
    """Raises DataError for the first line of a table, whose lines are no texts."""
    for separator in ",;\t|":
        if _is_header(line, task, separator):
            raise DataError(
                f"{source}:1: this is the header of a table, and would be read as a text. --separator {separator!r} says "
                f"what separates its columns; or let the name end in .csv or .tsv."
            )
    if is_json(line):
        raise DataError(f"{source}:1: this is JSON, and would be read as a text. Let the name of the file end in .jsonl.")
