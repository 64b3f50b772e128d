"""From a file to a split: CSV, TSV or JSON Lines with labels, and plain text to predict.

Reading is strict, and says `file:line: reason` of what it cannot read; the line is the one on which the row starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from mtk.data.formats import SEPARATORS, Row, blank, delimited, field, json_lines, read_lines
from mtk.data.split import Split
from mtk.errors import DataError
from mtk.task import Task

BadRows: TypeAlias = Literal["error", "skip"]

_SUFFIXES = (*SEPARATORS, ".jsonl")

_ADVICE = {
    "error": "Mend it, or leave such rows out with --bad-rows skip.",
    "skip": "No row can be read; look whether this is the right file.",
    "predict": "Mend it or take it out; every row is predicted, or none.",
}


def read_split(path: Path, task: Task, *, labelled: bool, bad_rows: BadRows = "error") -> Split:
    """The examples of a .csv, .tsv or .jsonl file in UTF-8, their texts without the white space around them.

    Blank lines are no rows. With `labelled=False`, for a test file, labels are read if every row has one and are None
    otherwise, and the column of ids may be missing. Rows without an id are numbered from 0 as they stand in the file.

    `bad_rows="skip"` leaves out each row that cannot be read and notes it in `Split.skipped`. What hides where the next
    row starts (a broken quote, another encoding) or concerns every row (a missing column) is an error all the same, and
    so is a file of which nothing remains. Raises DataError.
    """
    needed = [*task.text, task.label, *([task.id] if task.id else [])] if labelled else task.text
    rows = list(_rows(path, task, needed))
    unlabelled = any(blank(fields.get(task.label)) for _, fields in rows if isinstance(fields, dict))
    return _split(rows, path, task, labelled or not unlabelled, bad_rows)


def read_texts(source: Path, task: Task) -> Split:
    """The texts of a file, without labels, to predict: of a .csv, .tsv or .jsonl as `read_split` reads it, of any other
    as `parse_lines` does. Raises DataError."""
    if source.suffix not in _SUFFIXES:
        return parse_lines(read_lines(source), task, source)
    return _split(_rows(source, task, task.text), source, task, False, "predict")


def parse_lines(lines: Iterable[str], task: Task, source: Path) -> Split:
    """Plain text to predict: an example a line, a tab between the texts of a pair. `source` is what messages name.

    A blank line is an error, for dropping it would move the predictions below it. Raises DataError.
    """
    try:
        return _split(_plain(lines, task), source, task, False, "predict")
    except UnicodeDecodeError as error:  # of standard input, which is decoded while it is read
        raise DataError(f"{source}: this is not {error.encoding}: {error.reason}. Save it as UTF-8.") from None


def _split(
    rows: Iterable[Row], source: Path, task: Task, labelled: bool, bad_rows: Literal["error", "skip", "predict"]
) -> Split:
    split = Split([], tuple([] for _ in task.text), [] if labelled else None, source)
    for number, (line, fields) in enumerate(rows):
        try:
            if isinstance(fields, str):
                raise ValueError(fields)
            texts = [field(fields, column, str) for column in task.text]
            label = task.kind.read_label(field(fields, task.label, str, int, float)) if labelled else None
            row_id = field(fields, task.id, str, int) if task.id and (labelled or task.id in fields) else str(number)
        except ValueError as reason:
            split.skipped.append(f"{source}:{line}: {reason}")
            continue
        split.ids.append(row_id)
        for column, text in zip(split.texts, texts, strict=True):
            column.append(text)
        if split.labels is not None and label is not None:
            split.labels.append(label)

    if split.skipped and (bad_rows != "skip" or not split):
        more = f" (and {len(split.skipped) - 1} more)" if len(split.skipped) > 1 else ""
        raise DataError(f"{split.skipped[0]}{more}. {_ADVICE[bad_rows]}")
    if not split:
        raise DataError(f"{source}: there is not one row in it. Look whether this is the right file.")
    return split


def _rows(path: Path, task: Task, needed: Sequence[str]) -> Iterator[Row]:
    if path.suffix not in _SUFFIXES:
        raise DataError(f"{path}: the suffix does not say how to read it. Known: {', '.join(_SUFFIXES)}.")
    if path.suffix == ".jsonl":
        return json_lines(read_lines(path))
    return delimited(read_lines(path), path, task.separator or SEPARATORS[path.suffix], needed)


def _plain(lines: Iterable[str], task: Task) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        texts = line.split("\t") if task.pair else [line]
        if not line.strip():
            yield number, "the line is blank"
        elif len(texts) != len(task.text):
            yield number, f"there are {len(texts) - 1} tabs where one stands between two texts"
        else:
            yield number, dict(zip(task.text, texts, strict=True))
