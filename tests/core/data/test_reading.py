"""Reading gives back what was written, or says on which line it cannot."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import Binary, Classification, Regression

from mtk.data.formats import blank
from mtk.data.reading import BadRows, parse_lines, read_split, read_texts, windows_of_lines, windows_of_texts
from mtk.errors import DataError
from mtk.file_form import FileForm
from mtk.task import Task

PAIRS = Task(name="para", kind=Binary(), text=("first", "second"), label="same", id="id")
SINGLES = Task(name="mood", kind=Classification(("bad", "good")), text=("sentence",), label="mood")
SCORES = Task(name="sim", kind=Regression(0, 5), text=("first", "second"), label="score")

HEADER = b"id,first,second,same\n"
GOOD = b"a,one,two,0\n"
GOOD_JSON = b'{"id": "a", "first": "one", "second": "two", "same": 0}\n'


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def delimited(rows: Iterable[dict[str, str]], separator: str) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["id", "first", "second", "same"], delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


WRITERS: dict[str, Callable[[list[dict[str, str]]], str]] = {
    ".csv": lambda rows: delimited(rows, ","),
    ".tsv": lambda rows: delimited(rows, "\t"),
    ".jsonl": lambda rows: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
}
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text('",\t\r\n\ufeff\u2028ab ')
text = anything.filter(lambda written: not blank(written))


@pytest.mark.parametrize("suffix", WRITERS)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(text, text, text, st.sampled_from("01")), min_size=1, max_size=5))
def test_what_is_written_is_read(suffix: str, rows: list[tuple[str, str, str, str]]) -> None:
    written = [dict(zip(("id", "first", "second", "same"), row, strict=True)) for row in rows]
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / f"train{suffix}", WRITERS[suffix](written).encode())
        split = read_split(path, PAIRS, labelled=True)
        assert read_texts(path, PAIRS).texts == split.texts
    ids, first, second, labels = ([value.strip() for value in column] for column in zip(*rows, strict=True))
    assert split.ids == ids
    assert split.texts == (first, second)
    assert split.labels == [float(label) for label in labels]
    assert split.skipped == []


@given(rows=st.lists(st.tuples(text, text), min_size=1, max_size=5))
def test_a_plain_line_is_an_example(rows: list[tuple[str, str]]) -> None:
    rows = [(" ".join(first.split()), " ".join(second.split())) for first, second in rows]
    split = parse_lines([f"{first}\t{second}\n" for first, second in rows], PAIRS, Path("-"))
    assert list(zip(*split.texts, strict=True)) == rows
    assert split.ids == [str(index) for index in range(len(rows))]
    assert split.labels is None


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path, ending: str, mark: str) -> None:
    content = mark + ending.join(["id,first,second,same", "a,one,two,0", "", "a,three,four,1", "", ""])
    split = read_split(write(tmp_path / "f.csv", content.encode()), PAIRS, labelled=True)
    assert split.texts == (["one", "three"], ["two", "four"])
    assert split.ids == ["a", "a"]  # an id may come twice


def test_a_separator_of_its_own_comes_before_the_suffix(tmp_path: Path) -> None:
    task = Task(name="mood", kind=SINGLES.kind, text=("sentence",), label="mood", separator="|")
    split = read_split(write(tmp_path / "f.csv", b"sentence|mood\na, b|good\n"), task, labelled=True)
    assert split.texts == (["a, b"],)


def test_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", b"sentence,mood\nx,good\ny,\nz,bad\n")
    assert read_split(path, SINGLES, labelled=True, bad_rows="skip").ids == ["0", "2"]  # as they stand in the file


@pytest.mark.parametrize(("written", "read"), [("3", 3.0), ("3.5", 3.5), ("true", 1.0), ('" 3 "', 3.0)])
def test_json_labels_are_numbers_truths_or_strings(tmp_path: Path, written: str, read: float) -> None:
    path = write(tmp_path / "f.jsonl", b'{"first": "x", "second": "y", "score": %s}' % written.encode())
    assert read_split(path, SCORES, labelled=True).labels == [read]


BAD_ROWS = {
    "no label": ("f.csv", b"b,one,two,\n", "'same' is empty"),
    "blank label": ("f.csv", b"b,one,two,  \n", "'same' is empty"),
    "unknown label": ("f.csv", b"b,one,two,7\n", "'7'"),
    "empty text": ("f.csv", b"b, ,two,0\n", "'first' is empty"),
    "empty id": ("f.csv", b",one,two,0\n", "'id' is empty"),
    "field missing": ("f.csv", b"b,one,0\n", "3 fields, the header 4"),
    "field too many": ("f.csv", b"b,one,two,three,0\n", "5 fields, the header 4"),
    "not of this file": ("f.tsv", b"b,one,two,0\n", "1 fields"),
    "broken JSON": ("f.jsonl", b'{"id": "b", "first"\n', "no JSON object"),
    "JSON, but no object": ("f.jsonl", b"[1, 2]\n", "no JSON object"),
    "bottomless JSON": ("f.jsonl", b'{"id":' + b"[" * 100_000 + b"\n", "no JSON object"),
    "key missing": ("f.jsonl", b'{"id": "b", "frist": "x", "second": "y", "same": 0}\n', "did you mean frist?"),
    "null label": ("f.jsonl", b'{"id": "b", "first": "x", "second": "y", "same": null}\n', "'same' is empty"),
    "list as label": ("f.jsonl", b'{"id": "b", "first": "x", "second": "y", "same": [1]}\n', "type list"),
    "number as text": ("f.jsonl", b'{"id": "b", "first": 5, "second": "y", "same": 1}\n', "type int"),
}


def with_bad_row(tmp_path: Path, name: str, row: bytes) -> Path:
    """A file in which the third line is bad and the second and the fourth are good."""
    if name.endswith(".jsonl"):
        return write(tmp_path / name, GOOD_JSON + b"\n" + row + GOOD_JSON)
    comma = b"\t" if name.endswith(".tsv") else b","
    return write(tmp_path / name, HEADER.replace(b",", comma) + GOOD.replace(b",", comma) + row + GOOD.replace(b",", comma))


@pytest.mark.parametrize(("name", "row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_an_error_with_its_line(tmp_path: Path, name: str, row: bytes, reason: str) -> None:
    path = with_bad_row(tmp_path, name, row)
    with pytest.raises(DataError) as error:
        read_split(path, PAIRS, labelled=True)
    assert str(error.value).startswith(f"{path}:3: ")
    assert reason in str(error.value)
    assert "--bad-rows skip" in str(error.value)


@pytest.mark.parametrize(("name", "row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_skipped_and_reported(tmp_path: Path, name: str, row: bytes, reason: str) -> None:
    path = with_bad_row(tmp_path, name, row)
    split = read_split(path, PAIRS, labelled=True, bad_rows="skip")
    assert split.texts == (["one", "one"], ["two", "two"])
    assert split.labels == [0.0, 0.0]
    (report,) = split.skipped
    assert report.startswith(f"{path}:3: ")
    assert reason in report


@pytest.mark.parametrize("bad_rows", ["error", "skip"])
@pytest.mark.parametrize(("name", "row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_file_of_bad_rows_is_an_error(tmp_path: Path, name: str, row: bytes, reason: str, bad_rows: BadRows) -> None:
    header = b"" if name.endswith(".jsonl") else HEADER.replace(b",", b"\t" if name.endswith(".tsv") else b",")
    with pytest.raises(DataError, match=re.escape(reason)):
        read_split(write(tmp_path / name, header + row + row), PAIRS, labelled=True, bad_rows=bad_rows)


BAD_FILES = {
    "empty": ("f.csv", b"", ": the file is empty"),
    "blank": ("f.csv", b"\n\n", ": there is not one row"),
    "header only": ("f.csv", HEADER, ": there is not one row"),
    "binary": ("f.csv", b"\0\1\2" + HEADER + GOOD, ": this is a binary file"),
    "a NUL": ("f.csv", HEADER + GOOD + b"a,\0,two,0\n", ":3: there is a NUL"),
    "UTF-16": ("f.csv", (HEADER + GOOD).decode().encode("utf-16-le"), ": this is a binary file, or UTF-16 without a mark"),
    "Latin-1": ("f.csv", HEADER + GOOD + "b,café,two,0\n".encode("latin-1"), ":3: this is not UTF-8"),
    "column missing": ("f.csv", b"id,first,secnod,same\n" + GOOD, ":1: there is no column 'second' among id, first, secnod"),
    "column nearest": ("f.csv", b"id,first,secnod,same\n" + GOOD, "did you mean secnod?"),
    "column twice": ("f.csv", b"id,first,second,first,same\n", ":1: 2 columns are named 'first'"),
    "another separator": ("f.tsv", HEADER + GOOD, 'separator = ","'),
    "quote left open": ("f.csv", HEADER + GOOD + b'b,"one,two,0\n' + GOOD, ":3: the row that starts here"),
    "quote in a quoted text": ("f.csv", HEADER + b'b,"o"ne,two,0\n', ":2: the row that starts here"),
    "endless field": ("f.csv", HEADER + b"b," + b"x" * 4_000_001 + b",two,0\n", ":2: the line is longer"),
    "unknown suffix": ("f.xlsx", HEADER + GOOD, "Known: .csv, .tsv, .jsonl"),
}


@pytest.mark.parametrize("bad_rows", ["error", "skip"])
@pytest.mark.parametrize(("name", "content", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_an_error_in_any_case(
    tmp_path: Path, name: str, content: bytes, reason: str, bad_rows: BadRows
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as error:
        read_split(path, PAIRS, labelled=True, bad_rows=bad_rows)
    assert str(error.value).startswith(str(path))
    assert reason in str(error.value)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "directory.csv").mkdir()
    for name in ("absent.csv", "directory.csv"):
        with pytest.raises(DataError, match=f"{name}: it cannot be read"):
            read_split(tmp_path / name, PAIRS, labelled=True)


def test_the_line_is_that_on_which_the_row_starts(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", HEADER + b'a,"one\n\nmore",two,0\n\nb,"one\nmore",two,\n')
    with pytest.raises(DataError, match=r"f\.csv:6: 'same' is empty"):
        read_split(path, PAIRS, labelled=True)


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl"])
def test_nothing_stands_for_no_label_where_the_task_says_so(tmp_path: Path, name: str) -> None:
    empty = {"f.csv": b"b,one,two, \n", "f.jsonl": b'{"id": "b", "first": "x", "second": "y", "same": null}\n'}[name]
    path = write(tmp_path / name, (HEADER + GOOD if name == "f.csv" else GOOD_JSON) + empty)
    with pytest.raises(DataError, match=r"'same' is empty. If nothing .*: `unlabelled = \[\"\"\]`"):
        read_split(path, PAIRS, labelled=True)
    read = read_split(path, PAIRS, labelled=True, form=FileForm(unlabelled=("",)))
    assert read.ids == ["a"]
    assert read.notes[0] == f"{name}: 1 of 2 rows have no label and are left out"


def test_an_error_counts_the_other_bad_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(and 2 more\)"):
        read_split(write(tmp_path / "f.csv", HEADER + GOOD + b"b,one,two,\n" * 3), PAIRS, labelled=True)


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (b"sentence\nx\ny\n", None),
        (b"sentence,mood\nx,\ny,\n", None),
        (b"sentence,mood\nx,good\ny,\n", [1.0, math.nan]),
        (b"sentence,mood\nx,good\ny,bad\n", [1.0, 0.0]),
    ],
    ids=["no column", "empty column", "some labels", "every label"],
)
def test_a_test_file_has_the_labels_that_stand_in_it(tmp_path: Path, content: bytes, labels: list[float] | None) -> None:
    split = read_split(write(tmp_path / "f.csv", content), SINGLES, labelled=False)
    assert split.texts == (["x", "y"],)
    assert split.labels == (labels and pytest.approx(labels, nan_ok=True))


def test_an_unknown_label_of_a_test_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"f\.csv:3: 'so-so'"):
        read_split(write(tmp_path / "f.csv", b"sentence,mood\nx,good\ny,so-so\n"), SINGLES, labelled=False)


def test_a_file_to_predict_needs_texts_alone(tmp_path: Path) -> None:
    split = read_texts(write(tmp_path / "f.csv", b"second,first\ntwo,one\n"), PAIRS)
    assert (split.ids, split.texts, split.labels) == (["0"], (["one"], ["two"]), None)
    split = read_texts(write(tmp_path / "f.csv", b"id,second,first,same\na,two,one,no idea\n"), PAIRS)
    assert (split.ids, split.texts, split.labels) == (["a"], (["one"], ["two"]), None)
    split = read_texts(write(tmp_path / "f.txt", b"\xef\xbb\xbfone\ttwo\r\nthree\tfour"), PAIRS)
    assert (split.ids, split.texts, split.labels) == (["0", "1"], (["one", "three"], ["two", "four"]), None)


@pytest.mark.parametrize(
    ("task", "line", "reason"),
    [
        (SINGLES, "", "the line is blank"),
        (PAIRS, "\t", "the line is blank"),
        (PAIRS, "one", "there are 0 tabs"),
        (PAIRS, "one\ttwo\tthree", "there are 2 tabs"),
        (PAIRS, "one\t ", "'second' is empty"),
    ],
)
def test_a_bad_line_to_predict_is_an_error_with_its_number(tmp_path: Path, task: Task, line: str, reason: str) -> None:
    lines = ["one\ttwo\n", line + "\n", "three\tfour\n"]
    path = write(tmp_path / "f.txt", "".join(lines).encode())
    for read in (lambda: read_texts(path, task), lambda: parse_lines(lines, task, path)):
        with pytest.raises(DataError, match=re.escape(f"{path}:2: {reason}")) as error:
            read()
        assert "--bad-rows" not in str(error.value)  # there is no such option where it predicts


def test_standard_input_without_lines_or_in_another_encoding_is_an_error() -> None:
    with pytest.raises(DataError, match="-: there is not one row"):
        parse_lines([], PAIRS, Path("-"))
    stream = io.TextIOWrapper(io.BytesIO("café\n".encode("latin-1")), encoding="utf-8")
    with pytest.raises(DataError, match="-: this is not utf-8"):
        parse_lines(stream, SINGLES, Path("-"))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, None])
def test_windows_are_the_whole_in_pieces(size: int | None, tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", b"second,first\n" + b"".join(b"two %d,one %d\n" % (i, i) for i in range(6)))
    whole, parts = read_texts(path, PAIRS), list(windows_of_texts(path, PAIRS, size=size))
    assert [row for part in parts for row in part.ids] == whole.ids == list("012345")
    for column in (0, 1):
        assert [text for part in parts for text in part.texts[column]] == whole.texts[column]
    assert max(map(len, parts)) == min(size or 6, 6)


def test_a_row_that_cannot_be_read_ends_its_window_and_no_earlier_one() -> None:
    windows = windows_of_lines(["a\n", "b\n", "c\n", "\n", "d\n"], SINGLES, Path("-"), size=2)
    assert next(windows).texts == (["a", "b"],)
    with pytest.raises(DataError, match=r"-:4: the line is blank. .*; 2 rows above it were predicted"):
        next(windows)
