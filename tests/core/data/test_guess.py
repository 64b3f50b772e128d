"""A guess at the files of a directory: which are of one task, what its texts and labels are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kinds import KINDS

from mtk.data.guess import guess_tasks
from mtk.data.tasks_toml import read_layout

WORDS = ["the", "dog", "eats", "bread", "and", "a", "cat", "sees", "fish", "while", "birds", "sing", "of", "gold"]


def write(path: Path, header: str, labels: list[str], texts: int = 1) -> None:
    rng = random.Random(0)
    rows = [",".join([" ".join(rng.sample(WORDS, 6)) for _ in range(texts)] + [label]) for label in labels]
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(["bad", "fine", "good"] * 8, "classification"), (["0", "1"] * 12, "binary"),
     ([f"{n / 7:.2f}" for n in range(24)], "regression")],
)  # fmt: skip
def test_the_labels_tell_the_kind(tmp_path: Path, labels: list[str], kind: str) -> None:
    write(tmp_path / "mood-train.csv", "sentence,label", labels)
    write(tmp_path / "mood-dev.csv", "sentence,label", labels)
    (guess,), _ = guess_tasks(tmp_path)
    (tmp_path / "tasks.toml").write_text(guess.toml())
    (source,) = read_layout(tmp_path, KINDS).values()
    task = source.task
    assert str(task.kind).startswith(kind)
    assert (task.text, task.label) == (("sentence",), "label")


def test_two_columns_of_text_are_a_pair(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "first,second,same", ["0", "1"] * 12, texts=2)
    write(tmp_path / "dev.csv", "first,second,same", ["0", "1"] * 12, texts=2)
    (guess,), _ = guess_tasks(tmp_path)
    (tmp_path / "tasks.toml").write_text(guess.toml())
    (source,) = read_layout(tmp_path, KINDS).values()
    assert source.task.text == ("first", "second")
