"""Which rows of some data a finished model is scored on: one split of each of its tasks, and only that split's files."""

from __future__ import annotations

from collections.abc import Mapping

from mtk.data import doubts
from mtk.data.reading import BadRows
from mtk.data.split import Split
from mtk.data.tasks_toml import SplitName, TaskSource
from mtk.errors import DataError, UsageError, nearest
from mtk.file_form import FileForm
from mtk.kind import Kind
from mtk.model.multitask import Model
from mtk.task import Task


def read_scored(
    model: Model,
    layout: Mapping[str, TaskSource],
    split: SplitName,
    *,
    bad_rows: BadRows,
    seed: int,
    form: FileForm | None = None,
) -> tuple[dict[str, Split], list[str]]:
    """The labelled rows of each task's split, and what somebody should know of those that are not among them, a line each.
    `form` is what the files are like where tasks.toml says otherwise.

    Raises UsageError for a task that is another one than the model's, DataError where no task has a row with a label."""
    for task in model.tasks.values():
        _compare(task, layout)
    found: dict[str, Split] = {}
    notes = []
    for name in model.tasks:
        if layout[name].files.files(split) is None:
            notes.append(f"{name}: the data has no {split} files for it; it is no part of the average")
            continue
        read = layout[name].read(split, bad_rows=bad_rows, seed=seed, form=form)
        if read.skipped:
            rows = "bad row" if len(read.skipped) == 1 else "bad rows"
            notes.append(f"{name}: {len(read.skipped):,} {rows} left out, such as {read.skipped[0]}")
        scored = read.labelled()
        if scored is None:
            notes.append(f"{name}: {read.source.name} has no labels; it is no part of the average")
        else:
            found[name] = scored
        notes += [f"{name}: {note}" for note in (scored or read).notes]
        notes += [f"{name}: {note}" for note in doubts.unbalanced(scored, model.tasks[name])] if scored else []
    if not found:
        raise DataError(f"No task has a {split} split with labels. {'. '.join(notes)}.")
    return found, notes


def _compare(task: Task, layout: Mapping[str, TaskSource]) -> None:
    """Raises UsageError where the data's task of the same name is another one."""
    if task.name not in layout:
        raise UsageError(f"The data has no task '{task.name}'. {nearest(task.name, layout)}")
    other = layout[task.name].task
    if not _reads_alike(other.kind, task.kind):
        raise UsageError(f"Task '{task.name}' is {_kind(other)} in the data, and the model was trained on {_kind(task)}.")
    if other.pair != task.pair:
        raise UsageError(
            f"Task '{task.name}' is of {_texts(other)} in the data, and the model was trained on {_texts(task)}. Name "
            f"as many columns in its `text`."
        )


def _reads_alike(one: Kind, other: Kind) -> bool:
    """Whether a label means the same in both; 0 is 0.0. How training weighs them is no matter."""
    try:
        numbers = [one.number_of(label) for label in other.labels]
    except ValueError:
        return False
    return type(one) is type(other) and one.range == other.range and numbers == list(range(len(one.labels)))


def _kind(task: Task) -> str:
    return f"{task.kind} with the labels {', '.join(task.kind.labels[:5])}" if task.kind.labels else str(task.kind)


def _texts(task: Task) -> str:
    return f"two texts ({', '.join(task.columns_of_text)})" if task.pair else f"one text ({task.text[0]})"
