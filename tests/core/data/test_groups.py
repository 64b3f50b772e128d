"""Rows of one group are one example, wherever they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import make

from mtk.data.groups import grouped
from mtk.data.reading import read_split
from mtk.errors import DataError
from mtk.task import Task

RANK = Task(name="rank", kind=make("ranking"), text=("query", "candidate"), label="rel", group="q")
ROWS = "q,query,candidate,rel\n1,why,so,1\n2,how,thus,0\n1,why,because,0\n2,how,well,2\n"


def test_candidates_and_labels_are_gathered_in_the_order_of_the_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    split = read_split(tmp_path / "a.csv", RANK, labelled=True)
    assert split.ids == ["1", "2"]
    assert split.texts == (["why", "how"], [("so", "because"), ("thus", "well")])
    assert split.labels == [(1.0, 0.0), (0.0, 2.0)]


def test_another_query_in_a_group_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS + "1,where,there,0\n")
    with pytest.raises(DataError, match=r"a\.csv:6: 'query' is another text than in the first row of the group 1"):
        read_split(tmp_path / "a.csv", RANK, labelled=True)


def test_a_task_without_a_group_is_left_as_it_is() -> None:
    rows = [(Path("x"), 2, {"a": "b"}), (Path("x"), 3, "bad")]
    task = Task(name="t", kind=make("binary"), text=("a",), label="y")
    assert list(grouped(rows, task)) == rows


def test_the_right_choice_of_a_group_is_the_one_labelled_1(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,query,candidate,rel\n1,why,so,0\n1,why,because,1\n")
    task = Task(name="c", kind=make("multiple-choice"), text=("query", "candidate"), label="rel", group="q")
    assert read_split(tmp_path / "a.csv", task, labelled=True).labels == [1.0]
