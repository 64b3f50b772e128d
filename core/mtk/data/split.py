"""A task's data as columns of text, from whatever files it came in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from mtk.task import Task

Label: TypeAlias = float | tuple[float, ...]
"""One number, or one for each word, candidate or label; NaN where there is none."""


def is_missing(label: Label) -> bool:
    """Whether it stands for no label."""
    return isinstance(label, float) and math.isnan(label)


def as_label(read: float | Iterable[float]) -> Label:
    """What a kind has read, in the form that a split keeps."""
    return float(read) if isinstance(read, float | int) else tuple(map(float, read))


def numbers(label: Label) -> tuple[float, ...]:
    """Those of a label, one or several."""
    return label if isinstance(label, tuple) else (label,)


@dataclass(frozen=True)
class Split:
    """Examples as columns of equal length."""

    ids: list[str]
    texts: tuple[list[Any], ...]
    """One list, or two for pairs: texts[0][i] and texts[1][i] belong together. Each has texts; that of candidates, tuples of
    texts."""
    labels: list[Label] | None  # NaN for a row without one; None where no row has one
    source: Path
    skipped: list[str] = field(default_factory=list)  # "file:line: reason", a line for each bad row left out
    notes: list[str] = field(default_factory=list)  # what else somebody should know of how it was read

    def __len__(self) -> int:
        return len(self.ids)

    def each_text(self) -> Iterator[str]:
        """Every text by itself, whatever column it is in, and every candidate."""
        for column in self.texts:
            for given in column:
                yield from given if isinstance(given, tuple) else (given,)

    def rows(self, numbers: Sequence[int], *notes: str) -> Split:
        """The examples of these numbers, and what is to be said of the choice."""
        return replace(
            self,
            ids=[self.ids[i] for i in numbers],
            texts=tuple([column[i] for i in numbers] for column in self.texts),
            labels=None if self.labels is None else [self.labels[i] for i in numbers],
            notes=[*self.notes, *notes],
        )

    def sample(self, count: int | None, rng: Random) -> Split:
        """`count` examples at random, in the order of the file; all of them for None. Not the first, since many a file is
        sorted by its labels."""
        if count is None or count >= len(self):
            return self
        chosen = sorted(rng.sample(range(len(self)), count))
        return self.rows(chosen)

    def share(self, fraction: float, rng: Random) -> tuple[Split, Split]:
        """What is left, and a `fraction` of the examples, at least one, whose labels are distributed as in the whole: every
        so manieth, from a random one on, of the examples in the order of their labels."""
        count = min(len(self) - 1, max(1, round(fraction * len(self))))
        order = list(range(len(self)))
        rng.shuffle(order)
        order.sort(key=(self.labels or [0.0] * len(self)).__getitem__)
        start = rng.random()
        taken = {order[int((start + number) * len(self) / count)] for number in range(count)}
        said = f"{self.source.name}: {count:,} of {len(self):,} rows are the development set, a stratified share"
        rest = [i for i in range(len(self)) if i not in taken]
        return self.rows(rest, said), self.rows(sorted(taken))

    def labelled(self) -> Split | None:
        """The examples with a label, and a note on the others; None if there is none."""
        kept = [i for i, label in enumerate(self.labels or ()) if not is_missing(label)]
        if not kept:
            return None
        if len(kept) == len(self):
            return self
        without = len(self) - len(kept)
        return self.rows(kept, f"{self.source.name}: {without:,} of {len(self):,} rows have no label and are not scored")


@dataclass(frozen=True)
class TaskData:
    """A task with its splits: `train` and `dev` with labels, `test`, where there is one, usually without."""

    task: Task
    train: Split
    dev: Split
    test: Split | None = None
    further: dict[str, Split] = field(default_factory=dict)  # by dev-NAME and test-NAME

    @property
    def splits(self) -> list[Split]:
        """Those that there are."""
        return [split for split in (self.train, self.dev, self.test, *self.further.values()) if split is not None]

    @property
    def notes(self) -> list[str]:
        """What somebody should know of its splits, a line each."""
        found = {f"{self.task.name}: {note}": None for s in self.splits for note in s.notes}
        return list(found)
