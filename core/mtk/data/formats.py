"""From a file to rows: CSV, TSV and JSON Lines as dictionaries, with the line on which each row starts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from mtk.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t"}
_OBJECT = msgspec.json.Decoder(dict[str, Any])

Row: TypeAlias = tuple[int, dict[str, Any] | str]
"""The line on which a row starts, and its fields, or the reason why there are none."""


def read_lines(path: Path) -> Iterable[str]:
    """The lines of a text file with their ends. Raises DataError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: it cannot be read: {error.strerror}.") from None
    if not content:
        raise DataError(f"{path}: the file is empty.")
    if b"\0" in content:
        raise DataError(f"{path}: this is a binary file or UTF-16; a table of text in UTF-8 is needed.")
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline="")  # as the csv module wants it: line ends untouched
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: this is not UTF-8: {error.reason}. Save the file as UTF-8.") from None


def delimited(lines: Iterable[str], path: Path, separator: str, needed: Sequence[str]) -> Iterator[Row]:
    """The rows below a header in which each of the columns `needed` stands once. Raises DataError for another header, and
    for broken quoting, which hides where the next row starts."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    header: list[str] = []
    end = 0
    try:
        for fields in reader:
            line, end = end + 1, reader.line_num
            if not fields:
                continue
            if not header:
                header = [name.strip() for name in fields]
                _check_header(header, needed, f"{path}:{line}", separator)
            elif len(fields) != len(header):
                yield line, f"the row has {len(fields)} fields, the header {len(header)}"
            else:
                yield line, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}:{end + 1}: the row that starts here breaks the rules of CSV: {error}. "
            'A text with quotes in it stands in quotes, its own doubled: "so ""good""".'
        ) from None


def _check_header(header: list[str], needed: Sequence[str], where: str, separator: str) -> None:
    for column in needed:
        if column not in header:
            raise DataError(f"{where}: {_no_column(column, header)}. Is {separator!r} what separates its columns?")
        if header.count(column) > 1:
            raise DataError(f"{where}: {header.count(column)} columns are named '{column}'. Rename all but one.")


def json_lines(lines: Iterable[str]) -> Iterator[Row]:
    """A JSON object a line; blank lines are no rows."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, _OBJECT.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                yield number, f"this is no JSON object: {error}"


def field(fields: Mapping[str, Any], column: str, *types: type) -> str:
    """What a row says in a column, if it is of one of the JSON types named. Raises ValueError."""
    if column not in fields:
        raise ValueError(_no_column(column, fields))
    value = fields[column]
    if isinstance(value, bool) and int in types:
        value = int(value)
    if blank(value):
        raise ValueError(f"'{column}' is empty")
    if type(value) not in types:
        raise ValueError(f"'{column}' is of type {type(value).__name__}, not {' or '.join(t.__name__ for t in types)}")
    return str(value).strip()


def blank(value: Any) -> bool:
    """Whether a field says nothing."""
    return value is None or str(value).strip() == ""


def _no_column(column: str, columns: Iterable[str]) -> str:
    columns = [name for name in columns if name]
    close = get_close_matches(column, columns, n=1)
    return f"there is no column '{column}' among {', '.join(columns)}" + (f" (did you mean {close[0]}?)" if close else "")
