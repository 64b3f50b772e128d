"""Parquet, Arrow files and what `datasets` saves are read row by row as they were written, whatever their columns hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from kinds import Binary, Classification, Regression
from pyarrow import parquet

from mtk.data.arrow_files import ClassLabel, read_arrow
from mtk.data.guess import guess_tasks
from mtk.data.reading import read_split
from mtk.errors import DataError
from mtk.task import Task

TEXTS = [f"the dog {i} sleeps" for i in range(2500)]
TASK = Task(name="t", kind=Binary(), text=("text",), label="label")


def features(**columns: dict[str, Any]) -> dict[bytes, bytes]:
    """What `datasets` notes in a schema."""
    return {b"huggingface": json.dumps({"info": {"features": columns}}).encode()}


def save(path: Path, *tables: arrow.Table) -> Path:
    """A split as `save_to_disk` writes it, a file for each table."""
    path.mkdir(parents=True)
    names = [f"data-{number:05}-of-{len(tables):05}.arrow" for number in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        with arrow.OSFile(str(path / name), "wb") as file, arrow.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=700)
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (path / "dataset_info.json").write_text("{}")
    return path


TABLE = arrow.table({"text": TEXTS, "label": [i % 2 for i in range(len(TEXTS))]})


def test_every_row_of_several_groups_and_files_in_their_order(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "x.parquet", row_group_size=300)
    save(tmp_path / "saved", TABLE.slice(0, 900), TABLE.slice(900))
    with arrow.OSFile(str(tmp_path / "file.arrow"), "wb") as file, arrow.ipc.new_file(file, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=400)
    (tmp_path / "stream.arrow").write_bytes((tmp_path / "saved" / "data-00001-of-00002.arrow").read_bytes())
    for name, expected in (("x.parquet", TEXTS), ("saved", TEXTS), ("file.arrow", TEXTS), ("stream.arrow", TEXTS[900:])):
        rows = list(read_arrow(tmp_path / name))
        assert [number for number, _ in rows] == list(range(1, len(expected) + 1))
        assert [row["text"] for _, row in rows] == expected
        assert read_split(tmp_path / name, TASK, labelled=True).texts[0] == expected


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_the_names_of_classes_serve_as_labels_and_so_do_their_numbers(tmp_path: Path, kind: str) -> None:
    label = {"_type": "ClassLabel", "names": ["neg", "pos"]}
    table = arrow.table({"text": ["a b", "c d", "e f"], "label": [0, 1, -1]})
    table = table.replace_schema_metadata(features(text={"_type": "Value"}, label=label))
    path = save(tmp_path / "saved", table) if kind == "saved" else tmp_path / "x.parquet"
    if kind == "parquet":
        parquet.write_table(table, path)
    last = [row["label"] for _, row in read_arrow(path)][-1]
    assert isinstance(last, ClassLabel) and last.name is None
    for labels in (("neg", "pos"), ("pos", "neg"), ("0", "1")):
        task = Task(name="t", kind=Classification(labels), text=("text",), label="label", unlabelled=("-1",))
        split = read_split(path, task, labelled=True)
        order = ("neg", "pos") if "neg" in labels else ("0", "1")
        assert split.labels == [float(labels.index(name)) for name in order]
        assert "1 of 3 rows have no label" in split.notes[0]


def test_columns_of_any_type(tmp_path: Path) -> None:
    table = arrow.table(
        {
            "inner": arrow.array([{"text": "a b", "n": 1}, {"text": "c d", "n": 0}]),
            "label": arrow.array(["no", "yes"]).dictionary_encode(),
            "id": arrow.array([7, 8], arrow.int8()),
            "score": arrow.array([0.5, 1.5], arrow.float32()),
            "large": arrow.array(["x y", "z"], arrow.large_string()),
            "many": arrow.array([["a"], []]),
            "bytes": arrow.array([b"\xff", b"a"]),
            "none": arrow.nulls(2),
        }
    )
    path = tmp_path / "x.parquet"
    parquet.write_table(table, path)
    task = Task(name="t", kind=Binary(("no", "yes")), text=("inner.text", "large"), label="label", id="id")
    split = read_split(path, task, labelled=True)
    assert (split.ids, split.texts, split.labels) == (["7", "8"], (["a b", "c d"], ["x y", "z"]), [0.0, 1.0])
    scores = Task(name="t", kind=Regression(0, 5), text=("large",), label="score")
    assert read_split(path, scores, labelled=True).labels == [0.5, 1.5]
    for column, reason in (("many", "of type list"), ("bytes", "of type bytes"), ("none", "is empty"), ("no", "no column")):
        with pytest.raises(DataError, match=reason):
            read_split(path, Task(name="t", kind=Binary(("no", "yes")), text=(column,), label="label"), labelled=True)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    save(tmp_path / "all" / "train", TABLE.slice(0, 5))
    (tmp_path / "all" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    parquet.write_table(TABLE, tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-9])
    (tmp_path / "odd.arrow").write_bytes(b"the dog sleeps")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    for name, message in {
        "all": "several splits; name one of them: all/train",
        "cut.parquet": "cannot be read",
        "odd.arrow": "cannot be read",
        "gone": "cannot be read",
        ".": "no data set that `datasets` saved",
        "nowhere.parquet": "No such file",
    }.items():
        with pytest.raises(DataError, match=message):
            list(read_arrow(tmp_path / name))


def test_a_directory_of_saved_splits_is_guessed(tmp_path: Path) -> None:
    label = {"_type": "ClassLabel", "names": ["world", "sports", "none"]}
    for split, rows in (("train", 30), ("validation", 10)):
        table = arrow.table({"text": TEXTS[:rows], "label": [i % 2 for i in range(rows)]})
        save(tmp_path / split, table.replace_schema_metadata(features(label=label)))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    (guess,), passed = guess_tasks(tmp_path)
    assert guess.files == {"train": ["train"], "dev": ["validation"]} and not passed
    assert guess.keys["labels"] == ["world", "sports", "none"]
