"""From a file to rows: delimited text, JSON and Arrow as dictionaries, with the line on which each row starts.

A file is read as a stream: what a row or a line may take is bounded, and so is what is asked of anything but a file.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec

from mtk.data import conll
from mtk.errors import DataError
from mtk.file_form import FileForm

SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")
_PLAIN = (".txt", ".text", "")
KNOWN = (*SEPARATORS, *_JSON, ".parquet", *conll.SUFFIXES)

LONGEST_LINE = 4_000_000  # characters; of one field too
LARGEST_ARRAY = 100_000_000  # bytes of a JSON array, which is read at once; JSON Lines of any size are not

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ARRAY = msgspec.json.Decoder(list[Any])
_BARE_RETURN = re.compile("\r(?!\n)")
_RETURN = "\0"  # in its place while the csv module reads, for which it ends a row; no text file holds this

PLAIN_FORM = FileForm()

Row: TypeAlias = tuple[int, dict[str, Any] | str]
"""The line on which a row starts, and its fields, or the reason why there are none."""

Format: TypeAlias = Literal["delimited", "json", "parquet", "arrow", "conll", "plain"]


def format_of(path: Path, form: FileForm) -> Format | None:
    """How a file is read: as `separator` and `columns` say, or else as its suffix does, in any case and with .gz behind it.
    A directory is a data set that `datasets` saved. None for a suffix that says nothing."""
    suffix = suffix_of(path)
    if form.format == "conll" or suffix in conll.SUFFIXES:
        return "conll"
    if suffix in _JSON:
        return "json"
    if suffix == ".parquet":
        return "parquet"
    if suffix in SEPARATORS or form.separator or form.columns:
        return "delimited"
    if path.is_dir():
        return "arrow"
    return "plain" if suffix in _PLAIN else None


def suffix_of(path: Path) -> str:
    """The suffix in lower case, that before .gz if there is one."""
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix == ".gz" else suffix


def read_rows(path: Path, form: FileForm, needed: Sequence[str] | None) -> Iterator[Row]:
    """The rows of a file in any format but plain text. Raises DataError for a file that cannot be read, and for one in which
    a column of `needed` is missing or comes twice."""
    match format_of(path, form):
        case "delimited":
            lines = iter(read_lines(path, form.encoding))
            head = list(_head(lines))
            separator = separator_of(path, form, head[-1] if head else "")
            return delimited(chain(head, lines), path, separator, needed, form)
        case "json":
            return _json(path, form.encoding)
        case "conll":
            return conll.sentences(read_lines(path, form.encoding), form, universal=suffix_of(path) == ".conllu")
        case "parquet" | "arrow" as format:
            return _arrow(path, format)
        case _:
            raise DataError(unknown(path))


def unknown(path: Path) -> str:
    """What is said of a suffix that says nothing."""
    return (
        f"{path}: the suffix does not say how to read it. Known: {', '.join(KNOWN)}, each with .gz behind it too; of a "
        f"table with another suffix, `separator` says it."
    )


def separator_of(path: Path, form: FileForm, header: str) -> str:
    """What separates the columns: as the form says, or else the suffix; of a .csv, a tab if its header has tabs and no
    comma."""
    if form.separator:
        return form.separator
    if suffix_of(path) == ".csv" and "\t" in header and "," not in header:
        return "\t"
    return SEPARATORS.get(suffix_of(path), ",")


def _head(lines: Iterator[str]) -> Iterator[str]:
    """The lines as far as the first that is not blank."""
    for line in lines:
        yield line
        if line.strip():
            return


def open_file(path: Path) -> BinaryIO:
    """A regular file, unpacked if its name ends in .gz. A pipe is not waited for. Raises DataError."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise DataError(f"{path}: it cannot be read: a pipe or a device is no file. Save what it gives.")
        file = path.open("rb")
        return gzip.GzipFile(fileobj=file) if path.suffix.lower() == ".gz" else file  # type: ignore[return-value]
    except OSError as error:
        raise DataError(f"{path}: it cannot be read: {error.strerror}.") from None


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a text file with their ends; a carriage return by itself ends none. Raises DataError."""
    lines = _lines(path, encoding)
    return chain([next(lines)], lines)  # so that a file which cannot be read is answered here


def _lines(path: Path, encoding: str | None) -> Iterator[str]:
    number = 0
    try:
        with open_file(path) as file:
            for line in decoded(file, encoding):
                number += 1
                if "\0" in line:
                    raise _binary(path)
                if len(line) > LONGEST_LINE:
                    raise DataError(
                        f"{path}:{number}: the line is longer than {LONGEST_LINE:,} characters. Look whether this is the "
                        f"right file."
                    )
                yield line
    except UnicodeDecodeError as error:
        with open_file(path) as file:
            if b"\0" in file.read(1000):
                raise _binary(path) from None
        raise DataError(
            f"{path}:{_bad_line(path, encoding)}: this is not {encoding or 'UTF-8'}: {error.reason}. Save the file as "
            f'UTF-8, or say which encoding it is in, such as `encoding = "latin-1"`.'
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: it cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if not number:
        raise DataError(f"{path}: the file is empty.")


def _binary(path: Path) -> DataError:
    return DataError(
        f"{path}: this is a binary file or UTF-16; a table of text is needed, and `encoding` names its encoding if it is "
        f"not UTF-8."
    )


def decoded(file: BinaryIO, encoding: str | None = None) -> Iterator[str]:
    """The lines of a stream of bytes, with their ends and without a byte order mark: none is read much further than a line
    may be. Raises UnicodeDecodeError."""
    encoding = encoding or "utf-8"
    text = io.TextIOWrapper(file, "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding, newline="\n")
    try:
        while line := text.readline(LONGEST_LINE + 1):
            yield line
    finally:
        text.detach()


def _bad_line(path: Path, encoding: str | None) -> int:
    """The first line that cannot be decoded by itself; the first for an encoding of which lines cannot be."""
    with open_file(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding or "utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def delimited(
    lines: Iterable[str], path: Path, separator: str, needed: Sequence[str] | None, form: FileForm = PLAIN_FORM
) -> Iterator[Row]:
    """The rows below a header, or of the columns that the form names, in which each of `needed` stands once; every one
    for None. A column without a name is called by its number, `#3`.

    Where the form names the columns, a row may have fewer, if what is missing is not needed; and more, if quotes are no
    quotes: what is beyond has no name. Where a space separates them, the last column is the rest of the line.

    Raises DataError for another header, and for broken quoting, which hides where the next row starts.
    """
    header = list(form.columns or ())
    if header:
        _check_header(header, needed, str(path), separator)
    reader = _reader(lines, separator, len(header), form)
    first, end = True, 0
    try:
        for fields in reader:
            line, end = end + 1, reader.line_num
            fields = [field.replace(_RETURN, "\r") for field in fields]
            if not any(fields) and len(fields) < 2:
                continue
            if not header:
                header = [name.strip() or f"#{number}" for number, name in enumerate(fields, start=1)]
                _check_header(header, needed, f"{path}:{line}", separator)
                continue
            if first and form.columns and {*(needed or header)} <= {name.strip() for name in fields}:
                header, first = [name.strip() for name in fields], False  # there is a header all the same
                continue
            first = False
            if len(fields) == len(header) or _may_be_ragged(fields, len(header), form):
                yield line, dict(zip(header, fields, strict=False))
            else:
                yield line, f"the row has {len(fields)} fields, the header {len(header)}"
    except csv.Error as error:
        raise DataError(
            f"{path}:{end + 1}: the row that starts here breaks the rules of CSV: {error}. "
            'A text with quotes in it stands in quotes, its own doubled: "so ""good""". Where quotes are ordinary '
            'characters, as in GLUE, say `quote = "none"`.'
        ) from None


def _reader(lines: Iterable[str], separator: str, columns: int, form: FileForm) -> Any:
    """A csv.reader of the lines, or what is like it; `columns` is 0 where a header says how many."""
    ordinary = form.quote == "none"
    lines = (_BARE_RETURN.sub(_RETURN, line) for line in _rows_of_returns(lines))
    if separator == " " and columns and ordinary:
        return _Words(lines, columns)
    csv.field_size_limit(LONGEST_LINE)
    return csv.reader(lines, delimiter=separator, strict=True, quoting=csv.QUOTE_NONE if ordinary else csv.QUOTE_MINIMAL)


def _rows_of_returns(lines: Iterable[str]) -> Iterator[str]:
    """The lines; those between carriage returns where no other line end is in the whole table, as Macintoshes once wrote."""
    lines = iter(lines)
    first = next(lines, "")
    if "\r" in first and not first.endswith("\n"):
        yield from (f"{line}\n" for line in first.split("\r"))
    elif first:
        yield first
    yield from lines


def _may_be_ragged(fields: list[str], columns: int, form: FileForm) -> bool:
    """Whether a row of another length than the header can be what is meant."""
    beyond = fields[columns:]
    return bool(form.columns and (not beyond or form.quote == "none")) or (bool(beyond) and not any(beyond))


class _Words:
    """What csv.reader is, for lines whose last field may hold the separator, a space."""

    def __init__(self, lines: Iterable[str], count: int) -> None:
        self._lines, self._count, self.line_num = iter(lines), count, 0

    def __iter__(self) -> Iterator[list[str]]:
        for line in self._lines:
            self.line_num += 1
            yield line.strip().split(" ", self._count - 1)


def _check_header(header: list[str], needed: Sequence[str] | None, where: str, separator: str) -> None:
    for column in header if needed is None else needed:
        if column not in header:
            raise DataError(
                f"{where}: {_no_column(column, header)}. Is {separator!r} what separates its columns? `separator` says "
                f"another, and `columns` names them where there is no header."
            )
        if header.count(column) > 1:
            raise DataError(f"{where}: {header.count(column)} columns are named '{column}'. Rename all but one.")


def _json(path: Path, encoding: str | None) -> Iterator[Row]:
    lines = read_lines(path, encoding)
    head = list(_head(lines))
    if suffix_of(path) == ".json" and head and head[-1].lstrip().startswith("["):
        yield from _json_array(path, chain(head, lines))
    else:
        yield from json_lines(chain(head, lines))


def json_lines(lines: Iterable[str]) -> Iterator[Row]:
    """A JSON object a line; blank lines are no rows."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, _OBJECT.decode(line.replace("\r", " "))
            except (msgspec.DecodeError, RecursionError) as error:
                yield number, f"this is no JSON object: {error}"


def _json_array(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    """The objects of an array; each is said to be on the line of its number."""
    text, size = [], 0
    for line in lines:
        text.append(line)
        size += len(line)
        if size > LARGEST_ARRAY:
            raise DataError(f"{path}: an array of more than {LARGEST_ARRAY:,} bytes is not read. Write it as JSON Lines.")
    try:
        items = _ARRAY.decode("".join(text))
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{path}: this is neither JSON Lines nor an array of objects: {error}.") from None
    for number, item in enumerate(items, start=1):
        yield number, item if isinstance(item, dict) else f"this is no JSON object, but {type(item).__name__}"


def _arrow(path: Path, format: Literal["parquet", "arrow"]) -> Iterator[Row]:
    """The rows of a parquet file, or of a directory that `datasets` saved, numbered from 1."""
    if not path.exists():
        raise DataError(f"{path}: it cannot be read: No such file or directory.")
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(
            f"{path}: parquet and saved data sets are read through pyarrow: pip install 'multitask-toolkit[hub]'."
        ) from None
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(1000) if format == "parquet" else _saved(path, arrow):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: it cannot be read: {' '.join(str(error).split())}.") from None


def _saved(path: Path, arrow: Any) -> Iterator[Any]:
    """The batches of a data set as `save_to_disk` writes it: Arrow streams that state.json names in their order."""
    if (path / "dataset_dict.json").exists():
        inside = ", ".join(sorted(p.name for p in path.iterdir() if p.is_dir()))
        raise DataError(f"{path}: this holds several splits; name one of them: {inside}.")
    try:
        state = msgspec.json.decode((path / "state.json").read_bytes())
        files = [path / file["filename"] for file in state["_data_files"]]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        raise DataError(f"{path}: it cannot be read: Is a directory, and no data set that `datasets` saved.") from None
    for file in files:
        with arrow.memory_map(str(file)) as source, arrow.ipc.open_stream(source) as stream:
            yield from stream


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as RFC 4180 has it."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(header)
    table.writerows(rows)
    return file.getvalue()


def has(fields: Mapping[str, Any], column: str) -> bool:
    """Whether a row has a column."""
    return find(fields, column) is not _NOTHING


def field(fields: Mapping[str, Any], column: str, *types: type) -> str:
    """What a row says in a column, if it is of one of the JSON types named; `a.b` is the field b of the object a, where no
    column is called so. Raises ValueError."""
    value = find(fields, column)
    if value is _NOTHING:
        raise ValueError(_no_column(column, fields))
    if isinstance(value, bool) and int in types:
        value = int(value)
    if blank(value):
        raise ValueError(f"'{column}' is empty")
    if type(value) not in types:
        raise ValueError(f"'{column}' is of type {type(value).__name__}, not {' or '.join(t.__name__ for t in types)}")
    return str(value).strip()


_NOTHING = object()


def find(fields: Mapping[str, Any], column: str) -> Any:
    """What stands in a column, or in an object of that path; something blank where there is none."""
    if column in fields:
        return fields[column]
    value: Any = fields
    for name in column.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return _NOTHING
        value = value[name]
    return value


def blank(value: Any) -> bool:
    """Whether a field says nothing."""
    return value is None or value is _NOTHING or (isinstance(value, str) and not value.strip())


def _no_column(column: str, columns: Iterable[str]) -> str:
    columns = [name for name in columns if name]
    close = get_close_matches(column, columns, n=1)
    return f"there is no column '{column}' among {', '.join(columns)}" + (f" (did you mean {close[0]}?)" if close else "")
