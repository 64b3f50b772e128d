"""The kit's tasks are of mtk's own kinds, and made once."""

from __future__ import annotations

from mtk.testing.tasks import kind_of, task_of


def test_a_task_is_of_the_kind_that_is_asked_for() -> None:
    kind = kind_of("classification", ("a", "b"))
    assert kind is kind_of("classification", ("a", "b"))
    assert task_of(kind, pair=True).pair
    assert task_of(kind, pair=False).labels == ("a", "b")
