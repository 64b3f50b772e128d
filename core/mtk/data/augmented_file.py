"""A file of text made larger: each row, followed by changed copies of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, TextIO

import msgspec

from mtk.augmenter import Augmenter
from mtk.data.augmentation import changed_copies
from mtk.data.formats import SEPARATORS, Row, delimited, field, json_lines, read_lines
from mtk.errors import DataError, UsageError, nearest

_TEXT_COLUMNS = ("sentence", "sentence1", "sentence2", "text", "text1", "text2")


def augment_file(
    source: Path, out: Path, augmenter: Augmenter, copies: int, rng: Random, columns: Sequence[str] | None = None
) -> tuple[int, int]:
    """Write each example of `source` to the new file `out`, followed by `copies` changed ones, and return how many
    examples were read and how many written.

    A .csv (separated by commas, or by tabs if its header says so), .tsv or .jsonl file keeps its other columns; any other
    is text, a sentence a line. The texts are in `columns`, or else in those named sentence, text, or these with a 1 or 2.
    A blank line is no example. `out` appears when it is complete, or not at all.

    Raises DataError for a source that cannot be read, and UsageError for an `out` that exists or cannot be written,
    columns that there are not, and an augmenter that breaks its promise.
    """
    if out.exists():
        raise UsageError(f"{out} exists already. Delete it, or write to another file.")
    if out.suffix != source.suffix:
        raise UsageError(f"{out} will be in the format of {source}: let its name end in '{source.suffix}' too.")
    lines = list(read_lines(source))
    separator = _separator(source, lines)
    rows = _rows(source, lines, separator)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source}: there is not one row in it. Look whether this is the right file.")
    known = list(first[1])
    texts = _text_columns(source, known, columns)

    read = 0
    with _new_file(out) as file:
        write = _writer(file, source, known, separator)
        for line, row in chain([first], rows):
            try:
                changed = [changed_copies(field(row, column, str), augmenter, copies, rng) for column in texts]
            except ValueError as reason:
                raise DataError(f"{source}:{line}: {reason}. Mend it or take it out.") from None
            write(row)
            for sentences in zip(*changed, strict=True):
                write({**row, **dict(zip(texts, sentences, strict=True))})
            read += 1
    return read, read * (1 + copies)


def _separator(source: Path, lines: Sequence[str]) -> str | None:
    """What separates the columns: of a .csv, a tab if its header has tabs and no comma. None if there are no columns."""
    header = next((line for line in lines if line.strip()), "")
    if source.suffix == ".csv" and "\t" in header and "," not in header:
        return "\t"
    return SEPARATORS.get(source.suffix)


def _rows(source: Path, lines: Sequence[str], separator: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with the lines that they start on. A line of plain text is a row with one column, `text`."""
    rows: Iterable[Row]
    if separator:
        header: list[str] = []
        with suppress(csv.Error):  # which the reading proper reports
            header = next(csv.reader((line for line in lines if line.strip()), delimiter=separator), header)
        rows = delimited(lines, source, separator, [name.strip() for name in header])  # none of them may come twice
    elif source.suffix == ".jsonl":
        rows = json_lines(lines)
    else:
        rows = ((number, {"text": line.rstrip("\r\n")}) for number, line in enumerate(lines, start=1) if line.strip())
    for line, row in rows:
        if isinstance(row, str):
            raise DataError(f"{source}:{line}: {row}. Mend it or take it out.")
        yield line, row


def _text_columns(source: Path, known: Sequence[str], asked: Sequence[str] | None) -> Sequence[str]:
    for column in asked or ():
        if column not in known:
            raise UsageError(f"{source} has no column '{column}'. {nearest(column, filter(None, known))}")
    texts = list(dict.fromkeys(asked)) if asked else [column for column in _TEXT_COLUMNS if column in known]
    if not texts:
        columns = ", ".join(filter(None, known))
        raise UsageError(f"Which columns of {source} are text? Name them with --column; it has {columns}.")
    return texts


def _writer(
    file: TextIO, source: Path, columns: Sequence[str], separator: str | None
) -> Callable[[Mapping[str, Any]], object]:
    """A function that writes a row in the format of `source`."""
    if separator:
        table = csv.writer(file, delimiter=separator, lineterminator="\n")
        table.writerow(columns)
        return lambda row: table.writerow(row.values())
    if source.suffix == ".jsonl":
        return lambda row: file.write(msgspec.json.encode(row).decode() + "\n")
    return lambda row: file.write(row["text"] + "\n")


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A file that takes the name `path` once it is complete. Raises UsageError if it cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            partial.unlink()
