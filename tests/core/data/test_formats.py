"""CSV, TSV and JSON Lines as rows, each with the line that it starts on, or with the reason why it is none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtk.data.formats import blank, delimited, field, json_lines
from mtk.errors import DataError

HERE = Path("f.csv")
text = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8)


@given(rows=st.lists(st.tuples(text, text, text), max_size=8), separator=st.sampled_from(",;\t|"))
def test_a_table_is_read_as_it_was_written_and_lines_are_those_of_the_file(
    rows: list[tuple[str, str, str]], separator: str
) -> None:
    file = io.StringIO(newline="")
    writer, starts = csv.writer(file, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL), []
    writer.writerow("abc")
    for row in rows:
        starts.append(1 + file.getvalue().count("\n"))
        writer.writerow(row)
    read = list(delimited(io.StringIO(file.getvalue(), newline=""), HERE, separator, ["a", "c"]))
    assert read == [(line, dict(zip("abc", row, strict=True))) for line, row in zip(starts, rows, strict=True)]


def test_blank_lines_are_no_rows_and_a_short_one_is_a_reason() -> None:
    lines = ["\n", "a,b\n", "\n", "1,2\n", "3\n"]
    assert list(delimited(lines, HERE, ",", ["a"])) == [
        (4, {"a": "1", "b": "2"}), (5, "the row has 1 fields, the header 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b\n"], r"f\.csv:1: there is no column 'c' among a, b"),
        (["colour,b\n"], r"f\.csv:1: .*"),
        (["c,c\n"], r"f\.csv:1: 2 columns are named 'c'"),
        (["c\tb\n"], r"Its columns are separated by '\\t'"),
        (["d\n"], r"Is ',' what separates its columns"),
        (["c\n", "x\n", '"y\n', "z\n"], r"f\.csv:3: the row that starts here breaks the rules of CSV"),
    ],
)
def test_a_header_or_a_quote_that_is_wrong_ends_it(lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(delimited(lines, HERE, ",", ["c"]))


@given(rows=st.lists(st.dictionaries(text, st.none() | st.integers(-9, 9) | text, max_size=3), max_size=6))
def test_json_lines_are_read_as_they_were_written(rows: list[dict[str, Any]]) -> None:
    lines = [json.dumps(row) + "\n\n" for row in rows]
    assert [row for _, row in json_lines("".join(lines).splitlines(keepends=True))] == rows


def test_a_line_that_is_no_object_is_a_reason() -> None:
    found = list(json_lines(['{"a": 1}\n', "[1]\n", '{"a": \n', "\n"]))
    assert found[0] == (1, {"a": 1})
    assert [line for line, _ in found[1:]] == [2, 3]
    assert all(str(reason).startswith("this is no JSON object: ") for _, reason in found[1:])


def test_a_field_is_of_the_types_that_are_asked_for() -> None:
    row: dict[str, Any] = {"a": " x ", "n": 3, "t": True, "f": 0.5, "e": " ", "none": None, "l": [1]}
    assert (field(row, "a", str), field(row, "n", str, int), field(row, "f", float)) == ("x", "3", "0.5")
    assert field(row, "t", int) == "1", "a truth is a number"
    for column, types, message in (
        ("n", (str,), "'n' is of type int, not str"),
        ("l", (str, int), "not str or int"),
        ("e", (str,), "'e' is empty"),
        ("none", (str,), "'none' is empty"),
        ("sentnce", (str,), "no column 'sentnce'"),
    ):
        with pytest.raises(ValueError, match=message):
            field(row, column, *types)
    assert blank(" \t") and blank(None) and not blank(0)
    assert blank("\u200b\ufeff \x01"), "nothing in it can be seen"
