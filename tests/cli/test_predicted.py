"""However predictions are written, they say the same; and a file is there once all of them are in it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kinds import make

import mtk
from mtk.model.windows import Answered
from mtk_cli import predicted

MOOD = mtk.Task(name="mood", kind=make("classification", ("bad", "good")), text=("text",), label="l")
SCORE = mtk.Task(name="score", kind=make("regression", range=(0, 5)), text=("text",), label="l")


def windows() -> Iterator[Answered]:
    """Three rows in two windows."""
    for ids in (["a", "b,\t"], ["c"]):
        mood = [{"prediction": "good", "probabilities": {"bad": 0.25, "good": 0.75}} for _ in ids]
        score = [{"prediction": 2.5 + len(ids)} for _ in ids]
        yield Answered(ids, {"mood": mood, "score": score}, [])


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_has_one_header_and_every_row(suffix: str, tmp_path: Path) -> None:
    predicted.write(windows(), [MOOD, SCORE], tmp_path / f"x{suffix}", probabilities=True)
    header, *found = rows(tmp_path / f"x{suffix}")
    assert header == ["id", "mood", "mood: probability of bad", "mood: probability of good", "score"]
    assert [row[0] for row in found] == ["a", "b,\t", "c"]
    assert [float(row[4]) for row in found] == [4.5, 4.5, 3.5]
    predicted.write(windows(), [MOOD], tmp_path / f"y{suffix}", probabilities=False)
    assert rows(tmp_path / f"y{suffix}")[:2] == [["id", "prediction"], ["a", "good"]]


def test_json_lines_have_an_object_a_row(tmp_path: Path) -> None:
    predicted.write(windows(), [MOOD], tmp_path / "x.jsonl", probabilities=True)
    found = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert found[0] == {"id": "a", "prediction": "good", "probabilities": {"bad": 0.25, "good": 0.75}}
    predicted.write(windows(), [MOOD, SCORE], tmp_path / "y.jsonl", probabilities=True)
    found = [json.loads(line) for line in (tmp_path / "y.jsonl").read_text().splitlines()]
    assert [record["answers"]["score"] for record in found] == [
        {"prediction": 4.5},
        {"prediction": 4.5},
        {"prediction": 3.5},
    ]


def test_parquet_has_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    predicted.write(windows(), [MOOD, SCORE], tmp_path / "x.parquet", probabilities=True)
    found = parquet.read_table(tmp_path / "x.parquet")
    assert [str(kind) for kind in found.schema.types] == ["string", "string", "double", "double", "double"]
    assert found.to_pydict()["score"] == [4.5, 4.5, 3.5]
    predicted.write(windows(), [SCORE], tmp_path / "y.parquet", probabilities=False)
    assert parquet.read_table(tmp_path / "y.parquet").to_pydict()["prediction"] == [4.5, 4.5, 3.5]


def test_scores_by_themselves_have_four_digits() -> None:
    assert list(predicted.lines(windows(), SCORE)) == ["4.5000", "4.5000", "3.5000"]
    assert list(predicted.lines(windows(), MOOD)) == ["good"] * 3


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_fails_leaves_no_file(suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")

    def failing() -> Iterator[Answered]:
        yield next(windows())
        raise mtk.DataError("x.csv:5000: no text")

    with pytest.raises(mtk.DataError, match="5000"):
        predicted.write(failing(), [MOOD], tmp_path / f"x{suffix}", probabilities=False)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_is_refused_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, message in (("x.xlsx", r"\.csv, \.tsv, \.jsonl, \.parquet"), ("no/x.csv", "no directory")):
        with pytest.raises(mtk.UsageError, match=message):
            predicted.check_out(tmp_path / name)
    (tmp_path / "x.csv").touch()
    with pytest.raises(mtk.UsageError, match="exists already"):
        predicted.check_out(tmp_path / "x.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(mtk.UsageError, match=r"multitask-toolkit\[hub\]"):
        predicted.check_out(tmp_path / "x.parquet")
