"""Many rows, a window of them at a time: what several tasks say of each, in the order of the rows.

A window is tokenized, sorted by length and predicted by itself, so that no more than one is held, however long the file is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mtk.data.split import Split
from mtk.errors import DataError
from mtk.model.multitask import Model


@dataclass(frozen=True)
class Answered:
    """What is said of one window."""

    ids: list[str]
    answers: dict[str, list[dict[str, Any]]]  # by task, as `Model.answer` has them
    notes: list[str]  # what somebody should know of how the rows were read


def answered(
    model: Model,
    windows: Iterable[Mapping[str, Split]],
    *,
    probabilities: bool = False,
    progressed: Callable[[int], object] = lambda done: None,
) -> Iterator[Answered]:
    """What each task says of its split of each window, the tasks in the order of the window. Its splits are of the
    same rows, whose ids are those of the first. Tasks that read the same texts alike share tokens and one encoding.
    `progressed` hears after every batch how many rows are done. Raises DataError for splits of other rows."""
    before = 0
    for window in windows:
        _check_rows(window)
        ids = next(iter(window.values())).ids
        groups = list(_alike(model, window))
        found: dict[str, list[dict[str, Any]]] = {}
        notes = [note for split in window.values() for note in split.notes]
        for number, group in enumerate(groups):
            # Not kept: a long file would drive from the cache what runs have there.
            tokens = model.tokenize(group[0], window[group[0]], keep=False)
            notes += tokens.remarks()
            done = partial(_done, progressed, before, number * len(ids), len(groups))
            found |= model.answer(group, tokens, probabilities=probabilities, progressed=done)
        before += len(ids)
        yield Answered(ids, {task: found[task] for task in window}, list(dict.fromkeys(notes)))


def _done(progressed: Callable[[int], object], before: int, by_others: int, groups: int, count: int) -> None:
    progressed(before + (by_others + count) // groups)


def _check_rows(window: Mapping[str, Split]) -> None:
    first, *others = window
    for task in others:
        if len(window[task]) != len(window[first]):
            raise DataError(
                f"{window[task].source}: task '{task}' finds {len(window[task]):,} examples where '{first}' finds "
                f"{len(window[first]):,}. Predict them one after the other."
            )


def _alike(model: Model, window: Mapping[str, Split]) -> Iterator[list[str]]:
    """The tasks that read alike, and the same texts."""
    for group in model.alike(window):
        while group:
            texts = window[group[0]].texts
            same = [task for task in group if window[task].texts == texts]
            yield same
            group = [task for task in group if task not in same]
