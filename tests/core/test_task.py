"""A task knows whether it is of pairs, its labels, and every column that it is in."""

from __future__ import annotations

from kinds import Classification, Regression, make

from mtk.task import Task


def test_a_task_says_whether_it_is_of_pairs_and_its_labels_as_texts() -> None:
    one = Task(name="sst", kind=Classification(("bad", "fine", "good")), text=("a",), label="y")
    two = Task(name="sts", kind=Regression(0, 5), text=("a", "b"), label="y")
    assert (one.pair, two.pair) == (False, True)
    assert (one.labels, two.labels) == (("bad", "fine", "good"), ())


def test_columns_in_lists_are_counted_too() -> None:
    task = Task(name="swag", kind=make("multiple-choice"), text=("start", ("end0", "end1")), label=("y0", "y1"))
    assert task.columns_of_text == ("start", "end0", "end1")
    assert task.columns_of_label == ("y0", "y1")
    assert task.pair
