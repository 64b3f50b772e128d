"""What a model is scored on: the rows with a label of one split, and a word for all the others."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
from kinds import KINDS, Classification

from mtk.data.tasks_toml import read_layout
from mtk.errors import DataError, UsageError
from mtk.model.multitask import Model
from mtk.task import Task
from mtk.training.scored import read_scored

TASK = """
[sst]
kind = "classification"
classes = 2
text = {text}
label = "y"
train = "a.csv"
dev = "a.csv"
test = "t.csv"
"""


def model(encoder: Path) -> Model:
    return building.model(encoder, [Task(name="sst", kind=Classification(("0", "1")), text=("x",), label="y")], "linear")


def corpus(root: Path, rows: str, text: str = '"x"') -> Path:
    (root / "tasks.toml").write_text(TASK.format(text=text))
    (root / "t.csv").write_text(f"x,y\n{rows}")
    return root


def test_rows_without_a_label_are_counted_and_not_scored(tiny_encoder: Path, tmp_path: Path) -> None:
    root = corpus(tmp_path, "a dog,0\na cat,\na bird,1\n")
    splits, notes = read_scored(model(tiny_encoder), read_layout(root, KINDS), "test", bad_rows="error", seed=0)
    assert splits["sst"].labels == [0.0, 1.0]
    assert any("sst: " in note and "1" in note for note in notes)


def test_only_the_files_of_the_split_are_read(tiny_encoder: Path, tmp_path: Path) -> None:
    root = corpus(tmp_path, "a dog,0\n")  # there is no a.csv
    splits, _ = read_scored(model(tiny_encoder), read_layout(root, KINDS), "test", bad_rows="error", seed=0)
    assert len(splits["sst"]) == 1


def test_data_without_a_label_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No task has a test split with labels"):
        read_scored(model(tiny_encoder), read_layout(corpus(tmp_path, "a dog,\n"), KINDS), "test", bad_rows="error", seed=0)


def test_a_task_of_another_form_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is of two texts \(x, z\) in the data, and .* on one text \(x\)"):
        read_scored(
            model(tiny_encoder), read_layout(corpus(tmp_path, "", '["x", "z"]'), KINDS), "test", bad_rows="error", seed=0
        )
