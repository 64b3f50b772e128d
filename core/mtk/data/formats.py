"""From a file to rows: delimited text, JSON and Arrow as dictionaries, with the line on which each row starts."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from mtk.data import conll
from mtk.data.arrow_files import read_arrow
from mtk.data.text_files import LONGEST_LINE, PACKED, read_lines
from mtk.errors import DataError
from mtk.file_form import FileForm

SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")
_PLAIN = (".txt", ".text", "")
_ARROW = (".parquet", ".arrow")
KNOWN = (*SEPARATORS, *_JSON, *_ARROW, *conll.SUFFIXES)

LARGEST_ARRAY = 100_000_000  # bytes of a JSON array, which is read at once; JSON Lines of any size are not

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ARRAY = msgspec.json.Decoder(list[Any])
_BARE_RETURN = re.compile("\r(?!\n)")
_RETURN = "\0"  # in its place while the csv module reads, for which it ends a row; no text file holds this

PLAIN_FORM = FileForm()

Row: TypeAlias = tuple[int, dict[str, Any] | str]
"""The line on which a row starts, and its fields, or the reason why there are none."""

Format: TypeAlias = Literal["delimited", "json", "arrow", "conll", "plain"]


def format_of(path: Path, form: FileForm) -> Format | None:
    """How a file is read: as `separator` and `columns` say, or else as its suffix does, in any case, and also packed.
    A directory is a data set that `datasets` saved. None for a suffix that says nothing."""
    suffix = suffix_of(path)
    if form.format == "conll" or suffix in conll.SUFFIXES:
        return "conll"
    if suffix in _JSON:
        return "json"
    if suffix in _ARROW:
        return "arrow"
    if suffix in SEPARATORS or form.separator or form.columns:
        return "delimited"
    if path.is_dir():
        return "arrow"
    return "plain" if suffix in _PLAIN else None


def suffix_of(path: Path) -> str:
    """The suffix in lower case; of a file that is packed, that before .gz."""
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix in PACKED else suffix


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
        case "arrow":
            return read_arrow(path)
        case _:
            raise DataError(unknown(path))


def unknown(path: Path) -> str:
    """What is said of a suffix that says nothing."""
    return (
        f"{path}: the suffix does not say how to read it. Known: {', '.join(KNOWN)}; of text with {', '.join(PACKED)} "
        f"behind it too. Unpack an archive; of a table with another suffix, `separator` says it."
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
        _check_header(header, needed, "`columns`", separator)
    else:
        lines = _table(lines, path)
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
            if [name.strip() for name in fields] == header:
                yield line, "the header stands here again"
            elif len(fields) == len(header) or _may_be_ragged(fields, len(header), form):
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


def _table(lines: Iterable[str], path: Path) -> Iterator[str]:
    """The same lines. Raises DataError if the first is one of something else."""
    for number, line in enumerate(lines):
        if number == 0 and is_json(line):
            raise DataError(f"{path}:1: this is JSON, and no table. Let the name of the file end in .json or .jsonl.")
        if number == 0 and line.lstrip().lower().startswith(("<!doctype", "<html", "<?xml")):
            raise DataError(
                f"{path}:1: this is a web page or XML, and no table. Look whether the right file was loaded down."
            )
        yield line


def is_json(line: str) -> bool:
    """Whether a line is JSON, or begins what goes on in the next one."""
    try:
        return line.lstrip().startswith(("{", "[")) and isinstance(msgspec.json.decode(line), dict | list)
    except (msgspec.DecodeError, RecursionError):
        return line.strip() in ("[", "{")


def _check_header(header: list[str], needed: Sequence[str] | None, where: str, separator: str) -> None:
    for column in header if needed is None else needed:
        if column not in header:
            raise DataError(f"{where}: {_no_column(column, header)}. {_advice(header, needed or (), separator)}")
        if header.count(column) > 1:
            raise DataError(f"{where}: {header.count(column)} columns are named '{column}'. Rename all but one.")


def _advice(header: list[str], needed: Sequence[str], separator: str) -> str:
    """What to do where a column is not there: another separator, if the header has the columns with that."""
    (line, *others) = header
    for other in ",;\t|" if not others else ():
        if other != separator and {*needed} <= {name.strip().strip('"') for name in line.split(other)}:
            say = f"`separator = {msgspec.json.encode(other).decode()}` in tasks.toml, or --separator"
            return f"Its columns are separated by {other!r}, which is to be said: {say}."
    if len(header) > 1:
        return "Name the columns as the header does; where there is no header, `columns` names them."
    return (
        f"Is {separator!r} what separates its columns? `separator` says another, and `columns` names them where there is no "
        f"header."
    )


def _json(path: Path, encoding: str | None) -> Iterator[Row]:
    lines = read_lines(path, encoding)
    head = list(_head(lines))
    if head and _begins_array(head[-1]):
        yield from _json_array(path, chain(head, lines))
        return
    rows = json_lines(chain(head, lines))
    begin = list(islice(rows, 2))
    if begin:
        _check_json(path, head[-1], begin)
    yield from chain(begin, rows)


def _begins_array(line: str) -> bool:
    """Whether a file's first line begins an array of objects, and is no array that stands in place of one."""
    if not line.lstrip().startswith("["):
        return False
    try:
        return not any(not isinstance(item, dict) for item in _ARRAY.decode(line))
    except (msgspec.DecodeError, RecursionError):
        return True


def _check_json(path: Path, line: str, begin: Sequence[Row]) -> None:
    """Raises DataError for a file whose first rows, and the line of the first, show that it has no object a row."""
    number, first = begin[0]
    if isinstance(first, str) and line.strip() == "{":
        raise DataError(f"{path}:{number}: an object a line is read, or an array; here one goes over several lines.")
    if isinstance(first, str) and not line.lstrip().startswith("{"):
        raise DataError(f"{path}:{number}: {first}. If it is a table, let its name end in .csv or .tsv.")
    if isinstance(first, dict) and len(begin) == 1 and (inside := _rows_inside(first)):
        raise DataError(f"{path}:{number}: there is one object, with the rows in '{inside}'. Save that array by itself.")


def _rows_inside(fields: dict[str, Any]) -> str | None:
    """The field of an object that holds rows."""
    return next(
        (key for key, value in fields.items() if isinstance(value, list) and value and isinstance(value[0], dict)), None
    )


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


def csv_of(header: Sequence[str] | None, rows: Iterable[Sequence[object]], separator: str = ",") -> str:
    """A table as RFC 4180 has it; without a header, what follows one."""
    file = io.StringIO(newline="")
    table = csv.writer(file, delimiter=separator)
    if header is not None:
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
    if isinstance(value, int) and int in types:
        value = int(value)  # a truth too, and a class with a name
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
    """Whether a field says nothing: nothing in it can be seen."""
    return value is None or value is _NOTHING or (isinstance(value, str) and not any(map(_is_seen, value)))


def _is_seen(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp")


def _no_column(column: str, columns: Iterable[str]) -> str:
    columns = [name for name in columns if name]
    same = [name for name in columns if _plainly(name) == _plainly(column)]
    close = same or get_close_matches(column, columns, n=1)
    return f"there is no column '{column}' among {', '.join(columns)}" + (f" (did you mean {close[0]}?)" if close else "")


def _plainly(name: str) -> str:
    """A name without what people mistype: case, white space, how an accent is encoded, - for _."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split()).replace("-", "_")
