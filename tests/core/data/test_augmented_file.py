"""A file made larger by any augmenter: every row, followed by its copies, in the format that it came in."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

import mtk
from mtk.data.augmented_file import augment_file


class Tag(mtk.Augmenter):
    """Adds a word, another one each time."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        self.count += 1
        return [*words, f"+{self.count}"]


class Nothing(mtk.Augmenter):
    """Breaks its promise."""

    def __call__(self, words: Sequence[str], rng: Random) -> list[str]:
        return []


ROWS = [["id", "sentence1", "sentence2", "label"], ["7", 'He said "so"', "a, b\tc", "1.0"], ["8", "x\ny", "z", "0"]]


def write_table(path: Path, separator: str, rows: list[list[str]] = ROWS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t"), (".csv", "\t")])
def test_a_table_keeps_its_other_columns(tmp_path: Path, suffix: str, separator: str) -> None:
    source, out = write_table(tmp_path / f"in{suffix}", separator), tmp_path / f"out{suffix}"
    assert augment_file(source, out, Tag(), 2, 0) == (2, 6)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=separator, strict=True))
    assert rows == [
        ROWS[0],
        ROWS[1],
        ["7", 'He said "so" +1', "a, b c +3", "1.0"],
        ["7", 'He said "so" +2', "a, b c +4", "1.0"],
        ROWS[2],
        ["8", "x y +5", "z +7", "0"],
        ["8", "x y +6", "z +8", "0"],
    ]
    assert sorted(tmp_path.iterdir()) == sorted([source, out]), "nothing else is left"


def test_only_the_columns_asked_for_change(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", ",", [["q", "text"], ["one", "two"]])
    augment_file(source, tmp_path / "out.csv", Tag(), 1, 0, ["q"])
    assert (tmp_path / "out.csv").read_text() == "q,text\none,two\none +1,two\n"


def test_json_lines_keep_their_other_fields(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "é one", "meta": {"n": [1, null]}}\n\n{"text": "two", "extra": true}\n', encoding="utf-8")
    assert augment_file(source, tmp_path / "out.jsonl", Tag(), 1, 0) == (2, 4)
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()] == [
        {"text": "é one", "meta": {"n": [1, None]}},
        {"text": "é one +1", "meta": {"n": [1, None]}},
        {"text": "two", "extra": True},
        {"text": "two +2", "extra": True},
    ]


def test_plain_text_is_a_sentence_a_line(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xef\xbb\xbfone two\r\n\r\nthree")
    assert augment_file(tmp_path / "in.txt", tmp_path / "out.txt", Tag(), 1, 0) == (2, 4)
    assert (tmp_path / "out.txt").read_text() == "one two\none two +1\nthree\nthree +2\n"


BAD = [
    ("missing.csv", None, r"missing\.csv: it cannot be read"),
    ("empty.csv", b"", r"empty\.csv: the file is empty"),
    ("blank.txt", b"\n\n", r"blank\.txt: there is not one row"),
    ("header.csv", b"sentence,label\n", r"header\.csv: there is not one row"),
    ("binary.csv", b"\x00\x01\n", r"binary\.csv: this is a binary file"),
    ("nul.csv", b"sentence\na\x00b\n", r"nul\.csv:2: there is a NUL"),
    ("latin.csv", b"sentence\nok\ncaf\xe9\n", r"latin\.csv:3: this is not UTF-8"),
    ("ragged.csv", b"sentence,label\na,1\nb\n", r"ragged\.csv:3: the row has 1"),
    ("quote.csv", b'sentence,label\na,1\n"b,1\n', r"quote\.csv:3: .*breaks the rules of CSV"),
    ("twice.csv", b"sentence,x,x\na,1,2\n", r"twice\.csv:1: 2 columns are named 'x'"),
    ("hollow.csv", b"sentence,label\na,1\n ,1\n", r"hollow\.csv:3: 'sentence' is empty"),
    ("broken.jsonl", b'{"text": "a"}\n{"text": \n', r"broken\.jsonl:2: this is no JSON object"),
    ("list.jsonl", b'{"text": "a"}\n[1]\n', r"list\.jsonl:2: this is no JSON object"),
    ("number.jsonl", b'{"text": "a"}\n{"text": 5}\n', r"number\.jsonl:2: 'text' is of type int"),
    ("gone.jsonl", b'{"text": "a"}\n{"body": "b"}\n', r"gone\.jsonl:2: .*'text' among body"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD, ids=[name for name, _, _ in BAD])
def test_a_bad_source_is_told_by_file_and_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    source, out = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(mtk.DataError, match=message):
        augment_file(source, out, Tag(), 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ([name] if content is not None else []), "nothing half-written"


def test_a_directory_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(mtk.DataError, match="cannot be read"):
        augment_file(tmp_path, tmp_path / "out", Tag(), 1, 0)


@pytest.mark.parametrize(
    ("out", "columns", "message"),
    [
        ("in.csv", None, r"in\.csv exists already"),
        ("out.jsonl", None, r"let its name end in '\.csv' too"),
        ("no/where/out.csv", None, r"out\.csv cannot be written: No such file or directory"),
        ("in.csv/out.csv", None, r"out\.csv cannot be written: Not a directory"),
        ("out.csv", ["sentnce1"], r"no column 'sentnce1'. Did you mean sentence1"),
    ],
)
def test_a_wrong_request_is_refused(tmp_path: Path, out: str, columns: list[str] | None, message: str) -> None:
    source = write_table(tmp_path / "in.csv", ",")
    before = source.read_bytes()
    with pytest.raises(mtk.UsageError, match=message):
        augment_file(source, tmp_path / out, Tag(), 1, 0, columns)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    assert source.read_bytes() == before


def test_without_a_text_column_the_columns_are_listed(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", ",", [["", "body", "score"], ["0", "a", "1"]])
    with pytest.raises(mtk.UsageError, match=r"Name them with --column; it has body, score\."):
        augment_file(source, tmp_path / "out.csv", Tag(), 1, 0)


def test_a_broken_promise_leaves_no_file(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", ",")
    with pytest.raises(mtk.UsageError, match="is broken"):
        augment_file(source, tmp_path / "out.csv", Nothing(), 1, 0)
    assert list(tmp_path.iterdir()) == [source]


# what it needs to know of a row


class Oppose(mtk.Augmenter):
    """The other label."""

    def example(self, texts: Sequence[str], label: str) -> tuple[Sequence[str], str]:
        return [f"not {text}" for text in texts], str(1 - int(label))


def test_an_example_changes_with_its_label_in_a_table(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", ",", [["text", "label", "n"], ["a", "1", "x"], ["b", "0", "y"]])
    augment_file(source, tmp_path / "out.csv", Oppose(), 1, 0)
    assert (tmp_path / "out.csv").read_text() == "text,label,n\na,1,x\nnot a,0,x\nb,0,y\nnot b,1,y\n"


def test_a_number_stays_one_in_json(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "good": true}\n{"text": "b", "good": 0}\n')
    augment_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", Oppose(), 1, 0, label="good")
    labels = [json.loads(line)["good"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert labels == [True, 0, 0, 1]


def test_those_of_one_label_are_joined(tmp_path: Path) -> None:
    rows = [["sentence", "sentiment"], ["a", "3"], ["b", "1"], ["c", "3"]]
    source = write_table(tmp_path / "in.csv", ",", rows)
    augment_file(source, tmp_path / "out.csv", mtk.Registry().part("augmenter", "join").build(), 1, 0)
    assert (tmp_path / "out.csv").read_text() == "sentence,sentiment\na,3\na c,3\nb,1\nb,1\nc,3\nc a,3\n"


def test_many_texts_at_once_are_written_beside_their_rows(tmp_path: Path) -> None:
    class Upper(mtk.Augmenter):
        def batch(self, texts: Sequence[str]) -> list[str]:
            return [text.upper() for text in texts]

    (tmp_path / "in.txt").write_text("".join(f"line {i}\n" for i in range(130)))
    assert augment_file(tmp_path / "in.txt", tmp_path / "out.txt", Upper(), 1, 0) == (130, 260)
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines[1::2] == [line.upper() for line in lines[::2]]


@pytest.mark.parametrize(
    ("header", "label", "message"),
    [
        ("text,lable", None, r"Which column of .*in\.csv is the label\? .* name it with --label; there are text, lable\."),
        ("text,lable", "label", r"in\.csv has no column 'label'. Did you mean lable"),
    ],
)
def test_an_example_needs_its_label(tmp_path: Path, header: str, label: str | None, message: str) -> None:
    source = write_table(tmp_path / "in.csv", ",", [header.split(","), ["a", "1"]])
    with pytest.raises(mtk.UsageError, match=message):
        augment_file(source, tmp_path / "out.csv", Oppose(), 1, 0, label=label)
    assert list(tmp_path.iterdir()) == [source]


def test_a_label_that_is_missing_is_told_by_its_line(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", ",", [["text", "label"], ["a", "1"], ["b", ""]])
    with pytest.raises(mtk.DataError, match=r"in\.csv:3: 'label' is empty"):
        augment_file(source, tmp_path / "out.csv", Oppose(), 1, 0)


def test_labels_of_words_are_no_copys(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("EU B-ORG\nrejects O\n\n")
    with pytest.raises(mtk.UsageError, match="its labels are those of single words"):
        augment_file(tmp_path / "a.conll", tmp_path / "b.conll", Tag(), 2, 0, columns=["#1"])
    assert not (tmp_path / "b.conll").exists()
