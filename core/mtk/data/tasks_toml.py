"""Where a corpus keeps its tasks: a `tasks.toml` says which files they are in, how to read them and what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from random import Random
from typing import Annotated, Any, Protocol, TypeAlias

import msgspec

from mtk.data import doubts, hub_data
from mtk.data.reading import BadRows, read_split
from mtk.data.split import Split, TaskData
from mtk.errors import BrokenPartError, DataError, UsageError, nearest
from mtk.file_form import KEYS, FileForm
from mtk.files import read_file
from mtk.kind import Kind
from mtk.task import Task

SplitName: TypeAlias = str
"""train, dev or test; or dev-NAME and test-NAME, of a further set of that name."""

SPLITS: tuple[SplitName, ...] = ("train", "dev", "test")
SEVERAL: tuple[SplitName, ...] = ("dev", "test")  # of which there may be more than one

MOST_CLASSES = 100_000
LARGEST_TOML = 4_000_000  # bytes
LONGEST_NAME = 100  # letters of a task's name, of which names of files are made

_OF_FILES = ("separator", "quote", "encoding", "format", "columns")
_CS224N = Path(__file__).parent / "cs224n.toml"
Columns: TypeAlias = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MOST_CLASSES)]

File: TypeAlias = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
"""One name, or a list of them; * stands for anything in a name. Relative to the directory."""


class SplitFiles(FileForm, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files of one split that are in another form than the task's: `test = {file = "test.tsv", separator = "\\t"}`."""

    file: File


class TaskFiles(FileForm, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task as its table in `tasks.toml` has it: what it is, which files it is in, and what those are like. Where `data`
    is the id of a data set of the hub, `train`, `dev` and `test` are the names of its splits in place of files."""

    data: str | None = None
    subset: str | None = None  # of the data set, where it has several
    revision: str | None = None  # a branch, a tag or a commit; a run records the commit
    kind: Annotated[str, msgspec.Meta(min_length=1)]
    classes: Annotated[int, msgspec.Meta(ge=2, le=MOST_CLASSES)] | None = None
    labels: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=MOST_CLASSES)] | None = None
    range: tuple[float, float] | None = None
    score: str | None = None
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    text: str | Annotated[tuple[Columns, ...], msgspec.Meta(min_length=1, max_length=2)]
    label: Columns
    id: str | None = None
    group: str | None = None
    prediction: str | None = None
    train: File | SplitFiles
    dev: File | SplitFiles | float  # or a share of the training files
    test: File | SplitFiles | None = None
    decides: str | None = None  # which of several development sets is `dev`: by its score the best model is kept
    further: dict[SplitName, File | SplitFiles] = msgspec.field(default_factory=dict)  # beside `dev` and `test`
    root: Path = Path()  # where the files are; a table does not say it
    options: Mapping[str, Any] = {}  # of its kind: further keys of the table
    layout: str | None = None  # what the files were taken for, where no tasks.toml says what they are

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dev, float | int) and not 0 < self.dev < 1:
            raise ValueError("a number as `dev` is a share of the training rows, more than 0 and less than 1")
        if self.data is None and (self.subset or self.revision):
            raise ValueError("`subset` and `revision` are those of a data set of the hub, which `data` names")
        if self.data is not None and (said := [key for key in _OF_FILES if getattr(self, key) is not None]):
            raise ValueError(f"`{said[0]}` says what files are like, and `data` names a data set of the hub")
        labels = self.labels or ()
        if len({label for label in labels if label == label.strip() != ""}) < len(labels):
            raise ValueError("two of `labels` are equal, or one is empty or has white space around it")
        if self.classes is not None and self.labels is not None:
            raise ValueError("`classes` names the labels 0, 1, 2 …, and `labels` names others: one of the two is enough")
        if self.range is not None and not -math.inf < self.range[0] < self.range[1] < math.inf:
            raise ValueError("`range` is the lowest score and the highest, `[0, 5]`")
        if not math.isfinite(self.weight):
            raise ValueError("`weight` is a number by which the task's loss is multiplied")

    @property
    def splits(self) -> list[SplitName]:
        """Those that there are."""
        return [split for split in SPLITS if getattr(self, split) is not None] + list(self.further)

    def files(self, split: SplitName) -> File | SplitFiles | float | None:
        """Where a split is; None where there is no such split."""
        files: File | SplitFiles | float | None = getattr(self, split) if split in SPLITS else self.further.get(split)
        return files

    def paths(self, split: SplitName) -> list[Path]:
        """The files that a split is read from. Raises DataError for a pattern that none has, or a file that is not there."""
        files = self.files(split)
        if isinstance(files, float | int):
            files = self.train
        names = files.file if isinstance(files, SplitFiles) else files
        names = (names,) if isinstance(names, str) else names or ()
        if self.data is not None:
            return [path for name in names for path in hub_data.split_files(self.data, self.subset, name, self.revision)]
        found: list[Path] = []
        for name in names:
            found += (
                self._matching(name)
                if any(c in name for c in "*?[") and not _exists(self.root / name)
                else [self.root / name]
            )
        for path in found:
            if not _exists(path):
                missing = "the file is missing" if self.layout else "it cannot be read: there is no such file"
                if _is_link(path):
                    missing = "it cannot be read: it is a link that leads nowhere"
                raise DataError(f"{path}: {missing}.")
        return list(dict.fromkeys(found))

    def _matching(self, name: str) -> list[Path]:
        found = sorted(Path(path) for path in glob(str(Path(escape(str(self.root)), name)), recursive=True))  # noqa: PTH207  # of a Path, none may be absolute
        if not found:
            raise DataError(f"{self.root / name}: there is no file of such a name.")
        return found

    def check(self) -> None:
        """Whether every file is there; the hub is not asked yet. Raises DataError."""
        if self.data is not None:
            return
        try:
            for split in self.splits:
                self.paths(split)
        except DataError as error:
            raise self.explained(error) from None

    def explained(self, error: DataError) -> DataError:
        """A mistake in a file, with what the files were taken for."""
        if self.layout is None or (self.root / "tasks.toml").exists():  # which includes the layout
            return error
        return DataError(
            f"{error} {self.root} has no tasks.toml, so its files were taken for those of {self.layout}; if they are "
            f"others, describe them in one. `mtk tasks {self.root}` begins it."
        )

    def describe(self, name: str, kinds: Kinds) -> Task:
        """The task that the entry describes. Raises ValueError, and UsageError for a kind that cannot be had."""
        text = (self.text,) if isinstance(self.text, str) else self.text
        same = {key: getattr(self, key) for key in ("label", "id", "group", "prediction", "score", "weight", *KEYS)}
        labels = self.labels if self.classes is None else tuple(str(label) for label in range(self.classes))
        kind = kinds.make(self.kind, labels, self.range, self.options)
        task = Task(name=name, kind=kind, text=text, **same)
        columns = (*task.columns_of_text, *task.columns_of_label)
        if len({*columns}) < len(columns):
            raise ValueError(f"`text` and `label` name a column twice: {', '.join(columns)}")
        if self.id is not None and self.id in task.columns_of_label:
            raise ValueError(f"`id` and `label` name one column: {self.id}")
        for label in task.labels:
            if label in (self.unlabelled or ()):
                raise ValueError(f"'{label}' is a label of the task, and cannot stand for none: it is in `unlabelled`")
        for label in (self.map or {}).values():
            try:
                kind.read_label(label)
            except ValueError as reason:
                raise ValueError(f"`map` leads to a label that the task has not: {reason}") from None
        if self.score is not None and self.score not in kind.metric_names:
            raise ValueError(f"`score` names no metric of {kind}: '{self.score}'. {nearest(self.score, kind.metric_names)}")
        _check_columns(task)
        return task


def _check_columns(task: Task) -> None:
    """Whether the columns are what the kind asks for. Raises ValueError."""
    kind, lists = task.kind, [column for column in task.text if not isinstance(column, str)]
    if kind.level == "token" and (task.pair or lists):
        raise ValueError(f"`text` is the one column whose words {kind} labels")
    if not kind.candidates and (lists or task.group):
        raise ValueError(f"{kind} has no candidates, so `text` is a column, or two, and there is no `group`")
    if len(lists) > 1 or (lists and task.group):
        raise ValueError("the candidates stand in the columns of one list, or in the rows of one `group`")


_SPLIT_KEYS = SplitFiles.__struct_fields__
_KEYS = [key for key in TaskFiles.__struct_fields__ if key not in ("further", "root", "layout", "options")]


class Kinds(Protocol):
    """Makes kinds; the plugin host does."""

    def keys(self, name: str) -> list[str]:
        """The further keys of a table of this kind. Raises UsageError for an unknown one."""

    def make(
        self,
        name: str,
        labels: tuple[str, ...] | None = None,
        range: tuple[float, float] | None = None,
        options: Mapping[str, Any] = ...,
    ) -> Kind:
        """The kind of this name. Raises UsageError."""


@dataclass(frozen=True)
class TaskSource:
    """A task, and where its rows come from."""

    task: Task
    files: TaskFiles

    def unread(self) -> Split:
        """The training split without its rows, which stay in their files."""
        paths = self.files.paths("train")
        return Split([], tuple([] for _ in self.task.text), None, paths[0])

    def read(self, split: SplitName, *, bad_rows: BadRows, seed: int, form: FileForm | None = None) -> Split:
        """One split, as its own files have it, or its part of the training files; `form` comes before what the table says.
        Raises DataError."""
        files, name = self.files.files(split), self.task.name
        of_train = split == "train" or isinstance(files, float | int)
        if of_train:
            files = self.files.train
        form = (form or FileForm()).over(files.form if isinstance(files, SplitFiles) else FileForm())
        try:
            labelled = not split.startswith("test")
            read = read_split(self.files.paths(split), self.task, labelled=labelled, bad_rows=bad_rows, form=form)
        except DataError as error:
            raise self.files.explained(error) from None
        share = self.files.dev
        if not (of_train and isinstance(share, float | int)):
            return read
        if len(read) < 2:
            raise DataError(f"{read.source}: one row cannot be shared between training and development.")
        train, dev = read.share(share, Random(f"{seed} {name} dev"))
        return train if split == "train" else dev


def read_layout(root: Path, kinds: Kinds) -> dict[str, TaskSource]:
    """The tasks of a corpus by name, in its order, none of their files read; their kinds are made by `kinds`. `root` is a
    directory with a `tasks.toml`, or one in the CS224N layout with the files of at least one of its tasks. Raises
    DataError for one with anything wrong in it."""
    try:
        return {name: _described(name, files, root, kinds) for name, files in _read_entries(root).items()}
    except OSError as error:
        raise DataError(f"{error.filename}: it cannot be read: {error.strerror}.") from None


def check_split(layout: Mapping[str, TaskSource], split: SplitName) -> None:
    """Raises UsageError for a split that no task has."""
    known = list(dict.fromkeys([*SPLITS, *(name for source in layout.values() for name in source.files.further)]))
    if split not in known:
        raise UsageError(f"--split: no task has a split '{split}'. {nearest(split, known)}")


def read_task(
    source: TaskSource, *, bad_rows: BadRows = "error", limit: int | None = None, seed: int = 0, streamed: bool = False
) -> TaskData:
    """A task with its splits, each cut to `limit` examples at random; `bad_rows` is as `read_split` has it, and `seed`
    decides what is drawn. `streamed` leaves the training rows where they are. Raises DataError."""
    splits, drawn, task = {}, [], source.task
    for split in source.files.splits:
        stays = streamed and split == "train"
        read = source.unread() if stays else source.read(split, bad_rows=bad_rows, seed=seed)
        splits[split] = read.sample(limit, Random(f"{seed} {task.name} {split} limit"))
        if len(splits[split]) < len(read):
            drawn.append(f"{limit:,} of {len(read):,} {split}")
    if drawn:
        splits["train"].notes.append(f"{', '.join(drawn)} rows at random, as --limit asks")
    others = [(split, read) for split, read in splits.items() if split != "train"]
    if not streamed:
        splits["train"].notes.extend(doubts.between(splits["train"], others, task))
    splits["train"].notes.extend(doubts.unbalanced(splits["dev"], task))
    further = {split: splits[split] for split in source.files.further}
    if further:
        counts = ", ".join(f"{split} ({len(read):,} rows)" for split, read in further.items())
        splits["train"].notes.append(f"beside dev, which decides what is kept, there is {counts}")
    return TaskData(task, splits["train"], splits["dev"], splits.get("test"), further)


def _described(name: str, files: TaskFiles, root: Path, kinds: Kinds) -> TaskSource:
    files = msgspec.structs.replace(files, root=root)
    where = f"{root / 'tasks.toml'}: in [{name}]"
    try:
        known = kinds.keys(files.kind)
    except BrokenPartError:  # which is no mistake of the table's
        raise
    except UsageError as error:
        raise DataError(f"{where}: {error} - at `kind`") from None
    for key in files.options:
        if key not in known:
            shown = key[:LONGEST_NAME]
            raise DataError(f"{where}: there is no key '{shown}'. {nearest(shown, [*_KEYS, *known])}")
    try:
        return TaskSource(files.describe(name, kinds), files)
    except BrokenPartError:
        raise
    except (ValueError, UsageError) as error:
        raise DataError(f"{where}: {str(error).rstrip('.')}.") from None


def _read_entries(root: Path) -> dict[str, TaskFiles]:
    if _exists(root / "tasks.toml"):
        tables = _read_tables(root / "tasks.toml")
        included = _included(root, tables.pop("include")) if isinstance(tables.get("include"), str) else {}
        if not tables and not included:
            raise DataError(
                f"{root / 'tasks.toml'}: there is no task in it; a task is a table [name] with its kind, columns and files."
            )
        return {**included, **{name: _entry(name, table, root / "tasks.toml") for name, table in tables.items()}}
    entries = _cs224n(root)
    if not entries:
        files = ", ".join(str(entry["train"]) for entry in _read_tables(_CS224N).values())
        raise DataError(
            f"{root}: there is no corpus in it: no tasks.toml, and none of the CS224N files {files}. "
            f"`mtk tasks {root}` begins a tasks.toml."
        )
    return entries


def _included(root: Path, layout: str) -> dict[str, TaskFiles]:
    where = root / "tasks.toml"
    if layout != "cs224n":
        raise DataError(f"{where}: there is no layout '{layout}' to include. Known: cs224n.")
    entries = _cs224n(root)
    if not entries:
        raise DataError(f"{where}: it includes the tasks of cs224n, and none of their files is in {root}.")
    return entries


def _cs224n(root: Path) -> dict[str, TaskFiles]:
    """The course's tasks of which a file is there."""
    entries = {}
    for name, table in _read_tables(_CS224N).items():
        if any(_exists(root / table[split]) for split in SPLITS):
            test = table["test"] if _exists(root / table["test"]) else None
            entry = _entry(name, {**table, "test": test}, _CS224N)
            entries[name] = msgspec.structs.replace(entry, layout="the course CS224N")
    return entries


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file system holds
        return False


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        return False


def _read_tables(path: Path) -> dict[str, Any]:
    content = read_file(path, "tasks.toml", LARGEST_TOML)
    try:
        tables: dict[str, Any] = msgspec.toml.decode(content)
    except RecursionError:
        raise DataError(f"{path}: this is not TOML of a task: it is nested too deeply.") from None
    except ValueError as error:  # of msgspec, of the decoder, and of a number with too many digits
        raise DataError(f"{path}: this is not TOML: {error}.") from None
    return tables


def _entry(name: str, table: Any, path: Path) -> TaskFiles:
    shown = name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"
    where = f"{path}: in [{shown}]"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or len(name) > LONGEST_NAME:
        raise DataError(f"{where}: the name of a task is made of letters, digits, _ and -, at most {LONGEST_NAME} of them.")
    if isinstance(table, dict) and isinstance(table.get("kind"), str):
        options = {key: value for key, value in table.items() if key not in _KEYS}
        table = {**{key: value for key, value in table.items() if key in _KEYS}, "options": options}
    if isinstance(table, dict) and "dev" not in table:
        raise DataError(
            f"{where}: `dev` is missing: the files of the development set, or the split, or a share of the training rows to "
            f"put aside, `dev = 0.1`."
        )
    for split in SPLITS:
        if isinstance(table, dict) and isinstance(table.get(split), dict) and not _are_named(table, split):
            for key in table[split]:
                if key not in _SPLIT_KEYS:
                    known = nearest(key[:LONGEST_NAME], _SPLIT_KEYS)
                    raise DataError(f"{where}: there is no key '{key[:LONGEST_NAME]}' in `{split}`. {known}")
    if isinstance(table, dict):
        table = _apart(table, where)
    try:
        return msgspec.convert(table, TaskFiles)
    except msgspec.ValidationError as problem:
        raise DataError(f"{where}: {problem}.".replace(" - at `$.", " - in `").replace(" - at `$`", "")) from None
    except RecursionError:
        raise DataError(f"{where}: it is nested too deeply.") from None


def _are_named(table: dict[str, Any], split: SplitName) -> bool:
    """Whether a split's table names several sets, and is not what one is like."""
    sets = table.get(split)
    return split in SEVERAL and isinstance(sets, dict) and bool(sets) and not {*sets} & {*_SPLIT_KEYS}


def _apart(table: dict[str, Any], where: str) -> dict[str, Any]:
    """The same with one set as `dev` and as `test`, and the other named ones as `further`. Raises DataError."""
    table, further = dict(table), dict[SplitName, Any]()
    decides = table.get("decides")
    if decides is not None and not (_are_named(table, "dev") and decides in table["dev"]):
        named = ", ".join(table["dev"]) if _are_named(table, "dev") else 'there are none, as in `dev = {main = "dev.csv"}`'
        raise DataError(f"{where}: `decides` names one of several development sets: {named}.")
    for split in SEVERAL:
        if not _are_named(table, split):
            continue
        sets = dict(table[split])
        for name in sets:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or len(name) > LONGEST_NAME:
                raise DataError(f"{where}: in `{split}`, the name of a set is made of letters, digits, _ and -.")
        table[split] = sets.pop(decides if split == "dev" and decides else next(iter(sets)))
        further |= {f"{split}-{name}": files for name, files in sets.items()}
    return {**table, "further": further} if further else table
