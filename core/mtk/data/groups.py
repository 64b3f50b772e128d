"""Rows that are the candidates of one example made one row, whose columns hold lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from mtk.data import formats
from mtk.task import Task

Placed: TypeAlias = tuple[Path, int, dict[str, Any] | str]
"""The file of a row, the line on which it starts, and its fields, or the reason why there are none."""


def grouped(rows: Iterable[Placed], task: Task) -> Iterator[Placed]:
    """The rows of each group as one, where its first stands: the last of the task's texts and its label become lists, in the
    order of the rows. Those of a task without a group stay as they are. A row that does not fit is passed on as a reason."""
    if task.group is None:
        yield from rows
        return
    *shared, candidates = task.columns_of_text
    lists = (candidates, *task.columns_of_label)
    found: dict[str, Placed] = {}
    for path, line, fields in rows:
        if isinstance(fields, str) or (task.group not in fields and isinstance(fields.get(candidates), list)):
            yield path, line, fields  # no row, or one that has its candidates already
            continue
        try:
            group = formats.field(fields, task.group, str, int)
        except ValueError as reason:
            yield path, line, str(reason)
            continue
        if group not in found:
            merged = {**fields, task.group: group, **{c: [] for c in lists if formats.has(fields, c)}}
            found[group] = path, line, merged
        first: Any = found[group][2]
        if other := [c for c in shared if formats.find(fields, c) != formats.find(first, c)]:
            yield path, line, f"'{other[0]}' is another text than in the first row of the group {group}"
            continue
        for column in lists:
            if column in first:
                first[column].append(formats.find(fields, column))
    yield from found.values()
