"""Where a corpus keeps its tasks: a `tasks.toml` says which files they are in, how to read them and what they mean."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from mtk.data.reading import BadRows, read_split
from mtk.data.split import TaskData
from mtk.errors import DataError, nearest
from mtk.task import Binary, Classification, Kind, Regression, Task

_HERE = Path(__file__).parent
_TAKES = {
    "classification": 'either `classes = 3` (for the labels 0, 1 and 2) or `labels = ["a", "b", "c"]`',
    "binary": 'nothing (for the labels 0 and 1) or `labels = ["no", "yes"]`',
    "regression": "`range = [0, 5]`, the lowest score and the highest",
}


class TaskFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task as its table in `tasks.toml` has it: what it is, and which files it is in."""

    kind: Literal["classification", "binary", "regression"]
    classes: Annotated[int, msgspec.Meta(ge=2)] | None = None
    labels: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)] | None = None
    range: tuple[float, float] | None = None
    text: str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]
    label: str
    id: str | None = None
    separator: Annotated[str, msgspec.Meta(min_length=1, max_length=1, pattern='[^"\r\n]')] | None = None
    prediction: str = "prediction"
    train: str
    dev: str
    test: str | None = None
    root: Path = Path()  # where the files are; a table does not say it

    def __post_init__(self) -> None:
        self.task("")  # so that what makes no task is refused while it is decoded

    def task(self, name: str) -> Task:
        """The task that the entry describes. Raises ValueError."""
        text = (self.text,) if isinstance(self.text, str) else self.text
        if len({*text, self.label}) <= len(text):
            raise ValueError(f"`text` and `label` name a column twice: {', '.join((*text, self.label))}")
        same = {key: getattr(self, key) for key in ("label", "id", "separator", "prediction")}
        return Task(name=name, kind=self._kind(), text=text, **same)

    def _kind(self) -> Kind:
        labels = self.labels or ()
        if len({label for label in labels if label == label.strip() != ""}) < len(labels):
            raise ValueError("two of `labels` are equal, or one is empty or has white space around it")
        match self.kind, self.classes, self.labels, self.range:
            case "classification", int(classes), None, None:
                return Classification(tuple(str(label) for label in range(classes)))
            case "classification", None, tuple(), None:
                return Classification(labels)
            case "binary", None, None, None:
                return Binary()
            case "binary", None, (no, yes), None:
                return Binary((no, yes))
            case "regression", None, None, (low, high) if -math.inf < low < high < math.inf:
                return Regression(low, high)
        given = [f"`{key}`" for key in ("classes", "labels", "range") if getattr(self, key) is not None]
        raise ValueError(f'`kind = "{self.kind}"` takes {_TAKES[self.kind]}, not {" and ".join(given) or "nothing"}')


_KEYS = [key for key in TaskFiles.__struct_fields__ if key != "root"]


def read_layout(root: Path) -> dict[str, TaskFiles]:
    """The tasks of a corpus by name, in its order, none of their files read. `root` is a directory with a `tasks.toml`, or
    one in the CS224N layout with the files of at least one of its tasks. Raises DataError for one with anything wrong in
    it."""
    try:
        return {name: msgspec.structs.replace(files, root=root) for name, files in _entries(root).items()}
    except OSError as error:
        raise DataError(f"{error.filename}: it cannot be read: {error.strerror}.") from None


def read_task(name: str, files: TaskFiles, *, bad_rows: BadRows = "error", limit: int | None = None) -> TaskData:
    """A task with its splits, each cut to its first `limit` examples; `bad_rows` is as `read_split` has it. Raises
    DataError."""
    task, root = files.task(name), files.root
    train = read_split(root / files.train, task, labelled=True, bad_rows=bad_rows)
    dev = read_split(root / files.dev, task, labelled=True, bad_rows=bad_rows)
    test = read_split(root / files.test, task, labelled=False, bad_rows=bad_rows) if files.test else None
    return TaskData(task, train.head(limit), dev.head(limit), test.head(limit) if test else None)


def _entries(root: Path) -> dict[str, TaskFiles]:
    if (root / "tasks.toml").exists():
        return _read_entries(root / "tasks.toml")

    layout = _read_entries(_HERE / "cs224n.toml")
    entries = {}
    for name, entry in layout.items():
        missing = [file for file in (entry.train, entry.dev) if not (root / file).exists()]
        if len(missing) == 1:
            raise DataError(f"{root / missing[0]}: the file is missing, and the other one of task {name} is there.")
        if not missing:
            test = entry.test if entry.test and (root / entry.test).exists() else None
            entries[name] = msgspec.structs.replace(entry, test=test)
    if not entries:
        files = ", ".join(entry.train for entry in layout.values())
        raise DataError(f"{root}: there is no corpus in it: no tasks.toml, and none of the CS224N files {files}.")
    return entries


def _read_entries(path: Path) -> dict[str, TaskFiles]:
    try:
        tables = msgspec.toml.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is not TOML: {error}.") from None
    if not tables:
        raise DataError(f"{path}: there is no task in it; a task is a table [name] with its kind, columns and files.")
    return {name: _entry(name, table, f"{path}: in [{name}]") for name, table in tables.items()}


def _entry(name: str, table: Any, where: str) -> TaskFiles:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise DataError(f"{where}: the name of a task is made of letters, digits, _ and -.")
    for key in table if isinstance(table, dict) else ():
        if key not in _KEYS:
            raise DataError(f"{where}: there is no key '{key}'. {nearest(key, _KEYS)}")
    try:
        return msgspec.convert(table, TaskFiles)
    except msgspec.ValidationError as problem:
        raise DataError(f"{where}: {problem}.".replace(" - at `$.", " - in `").replace(" - at `$`", "")) from None
