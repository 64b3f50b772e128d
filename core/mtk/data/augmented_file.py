"""A file of text made larger: each row, followed by changed copies of it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import msgspec

from mtk.augmenter import Augmenter, method_of
from mtk.data.augmentation import Example, changed_examples
from mtk.data.formats import Format, Row, field, format_of, is_json, read_rows, separator_of, suffix_of
from mtk.data.text_files import read_lines
from mtk.errors import DataError, UsageError, nearest
from mtk.file_form import FileForm
from mtk.files import replacing

_TEXT_COLUMNS = ("sentence", "sentence1", "sentence2", "text", "text1", "text2")
_LABEL_COLUMNS = ("label", "score", "sentiment", "similarity", "is_duplicate")


def augment_file(
    source: Path,
    out: Path,
    augmenter: Augmenter,
    copies: int,
    seed: int,
    columns: Sequence[str] | None = None,
    form: FileForm | None = None,
    label: str | None = None,
) -> tuple[int, int]:
    """Write each example of `source` to the new file `out`, followed by `copies` changed ones, and return how many
    examples were read and how many written.

    A table keeps its other columns, and is written in the form that it is read in: that of `form`, or else of its suffix.
    JSON is written as JSON Lines; any other file is text, a sentence a line. The texts are in `columns`, or else in those
    named sentence, text, or these with a 1 or 2; the label of an example, where the augmenter works on it too, is in the
    column `label`, or else in one named as in well-known files. A blank line is no example. `out` appears when it is whole.

    Raises DataError for a source that cannot be read, and UsageError for an `out` that exists or cannot be written,
    columns that there are not, and an augmenter that breaks its promise.
    """
    form = form or FileForm()
    if out.exists():
        raise UsageError(f"{out} exists already. Delete it, or write to another file.")
    if out.suffix.lower() != suffix_of(source):
        raise UsageError(f"{out} will be in the format of {source}: let its name end in '{suffix_of(source)}' too.")
    format = format_of(source, form) or "plain"
    if source.is_dir():
        raise DataError(f"{source}: it cannot be read: Is a directory.")
    if format == "conll":
        raise UsageError(f"{source}: its labels are those of single words, and a changed copy would not have the same.")
    if format == "arrow":
        raise UsageError(f"{source}: parquet and Arrow files are read and not written. Save it as .csv or .jsonl first.")
    rows = _rows(source, form, format)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source}: there is not one row in it. Look whether this is the right file.")
    known = list(first[1])
    texts = _text_columns(source, known, columns)
    label = _label_column(source, known, label, augmenter)
    waiting: deque[tuple[dict[str, Any], str]] = deque()  # rows whose copies are not made yet, and their labels

    def examples() -> Iterator[Example]:
        for number, (line, row) in enumerate(chain([first], rows), start=1):
            try:
                fields = tuple(field(row, column, str) for column in texts)
                said = field(row, label, str, int, float) if label else ""
            except ValueError as reason:
                raise DataError(f"{source}:{line}: {reason}. Mend it or take it out.") from None
            waiting.append((row, said))
            yield Example(str(number), fields, said)

    read = 0
    with _new_file(out, form.encoding or "utf-8") as file:
        write = _writer(file, source, known, form, format)
        for made in changed_examples(examples(), augmenter, copies, str(seed)):
            row, said = waiting.popleft()
            write(row)
            for changed in made:
                labelled = {} if label is None or changed.label == said else {label: _like(row[label], changed.label)}
                write({**row, **dict(zip(texts, changed.texts, strict=True)), **labelled})
            read += 1
    return read, read * (1 + copies)


def _rows(source: Path, form: FileForm, format: Format) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with the lines that they start on. A line of plain text is a row with one column, `text`."""
    rows: Iterable[Row]
    if format == "plain":
        lines = enumerate(_texts(source, form), start=1)
        rows = ((number, {"text": line.rstrip("\r\n")}) for number, line in lines if line.strip())
    else:
        rows = read_rows(source, form, None)
    for line, row in rows:
        if isinstance(row, str):
            raise DataError(f"{source}:{line}: {row}. Mend it or take it out.")
        yield line, row


def _texts(source: Path, form: FileForm) -> Iterator[str]:
    """The lines of plain text. Raises DataError for a table or JSON, whose lines are no texts."""
    for number, line in enumerate(read_lines(source, form.encoding), start=1):
        names = {name.strip().strip('"') for mark in ",;\t|" if mark in line for name in line.split(mark)}
        if number == 1 and (is_json(line) or names & {*_TEXT_COLUMNS}):
            what = "JSON; let its name end in .jsonl" if is_json(line) else "the header of a table; --separator says so"
            raise DataError(f"{source}:1: this would be read as a text, and looks like {what}.")
        yield line


def _text_columns(source: Path, known: Sequence[str], asked: Sequence[str] | None) -> Sequence[str]:
    separated = " Is that what separates its columns? --separator says another." if len(known) == 1 else ""
    for column in asked or ():
        if column not in known:
            raise UsageError(f"{source} has no column '{column}'. {nearest(column, filter(None, known))}{separated}")
    texts = list(dict.fromkeys(asked)) if asked else [column for column in _TEXT_COLUMNS if column in known]
    if not texts:
        columns = ", ".join(name for number, name in enumerate(known, start=1) if name != f"#{number}")
        raise UsageError(f"Which columns of {source} are text? Name them with --column; it has {columns}.{separated}")
    return texts


def _label_column(source: Path, known: Sequence[str], asked: str | None, augmenter: Augmenter) -> str | None:
    """The column of the label; None for an augmenter that knows of none."""
    if asked is not None and asked not in known:
        raise UsageError(f"{source} has no column '{asked}'. {nearest(asked, filter(None, known))}")
    if method_of(type(augmenter)) != "example":
        return None
    label = asked or next((column for column in _LABEL_COLUMNS if column in known), None)
    if label is None:
        raise UsageError(
            f"Which column of {source} is the label? This augmenter works on it too: name it with --label; there are "
            f"{', '.join(filter(None, known))}."
        )
    return label


def _like(before: Any, label: str) -> Any:
    """Another label in the place of one: a number for a number."""
    try:
        return label if isinstance(before, str) else msgspec.json.decode(label)
    except msgspec.DecodeError:
        return label


def _writer(
    file: IO[str], source: Path, columns: Sequence[str], form: FileForm, format: Format
) -> Callable[[Mapping[str, Any]], object]:
    """A function that writes a row in the format of `source`."""
    if format == "delimited":
        header = next((line for line in read_lines(source, form.encoding) if line.strip()), "")
        separator = separator_of(source, form, header)
        if form.quote == "none":
            table = csv.writer(file, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        else:
            table = csv.writer(file, delimiter=separator, lineterminator="\n")
        if not form.columns:
            table.writerow("" if name == f"#{number}" else name for number, name in enumerate(columns, start=1))
        return lambda row: table.writerow(value.replace("\r", " ") for value in row.values())
    if format == "json":
        return lambda row: file.write(msgspec.json.encode(row).decode() + "\n")
    return lambda row: file.write(row["text"].replace("\r", " ") + "\n")


@contextmanager
def _new_file(path: Path, encoding: str) -> Iterator[IO[str]]:
    """A file that takes the name `path` once it is complete. Raises UsageError if it cannot be written."""
    try:
        with replacing(path, "w", encoding=encoding, newline="") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    except (csv.Error, UnicodeEncodeError) as error:
        raise UsageError(f"{path} cannot be written: a changed text does not fit the form of the file: {error}.") from error
