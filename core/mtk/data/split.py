"""A task's data as columns of text, from whatever files it came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mtk.task import Task


@dataclass(frozen=True)
class Split:
    """Examples as columns of equal length."""

    ids: list[str]
    texts: tuple[list[str], ...]  # one list, or two for pairs: texts[0][i] and texts[1][i] belong together
    labels: list[float] | None  # None where the file has none
    source: Path
    skipped: list[str] = field(default_factory=list)  # "file:line: reason", a line for each bad row left out

    def __len__(self) -> int:
        return len(self.ids)

    def head(self, count: int | None) -> Split:
        """The first `count` examples; all of them for None."""
        if count is None:
            return self
        labels = None if self.labels is None else self.labels[:count]
        return Split(self.ids[:count], tuple(t[:count] for t in self.texts), labels, self.source, self.skipped)


@dataclass(frozen=True)
class TaskData:
    """A task with its splits: `train` and `dev` with labels, `test`, where there is one, usually without."""

    task: Task
    train: Split
    dev: Split
    test: Split | None = None
