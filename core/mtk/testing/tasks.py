"""Tasks to hold a part against, of the toolkit's own kinds."""

from __future__ import annotations

from functools import cache

from mtk.host.kinds import Kinds
from mtk.host.registry import PACKAGE, Registry
from mtk.kind import Kind
from mtk.task import Task

NAME = "my.task 1"  # which would do for a file and not for a parameter


@cache
def kind_of(name: str, labels: tuple[str, ...] | None = None, range: tuple[float, float] | None = None) -> Kind:
    """A kind that mtk brings."""
    return _kinds().make(f"{PACKAGE}/{name}", labels, range)


def task_of(kind: Kind, *, pair: bool, name: str = NAME) -> Task:
    """A task of this kind, of one text or of two."""
    return Task(name=name, kind=kind, text=("first", "second") if pair else ("first",), label="label")


@cache
def _kinds() -> Kinds:
    return Kinds(Registry())
