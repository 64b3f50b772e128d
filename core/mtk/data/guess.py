"""A tasks.toml to start from: what the files of a directory look like, and what was guessed from that."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec

from mtk.data.arrow_files import NOTES, ClassLabel, is_saved
from mtk.data.formats import SEPARATORS, find, format_of, read_rows, suffix_of
from mtk.data.guess_words import guess_words, of_words
from mtk.data.tasks_toml import SPLITS, SplitName
from mtk.data.text_files import PACKED, read_lines
from mtk.errors import DataError
from mtk.file_form import FileForm

ROWS = 2000  # that are looked at
MOST_LABELS = 50  # more values than that are no classes
_WORDS: dict[SplitName, str] = {"train": "train|training", "dev": "dev|val|valid|validation|testa", "test": "test|testb"}
_LABELS = (
    "label|labels|gold_label|class|score|sentiment|category|target|quality|is_duplicate|similarity|relatedness_score|stars|y"
)
_TEXTS = r"text_?[12ab]?|sentence_?[12ab]?|question[12]?|premise|hypothesis|review|title|description|content"
MOST_WORDS = 1.5  # of a label, as many as its values have on average
_IDS = r"#?\d? ?id|idx|index|guid|pair_?id|qid\d?|.*[ _]id|.*ID"
_NOT_LABELLED = ("-", "-1", "")
_NO_DEV = "there are no development files: a tenth of the training rows is put aside for that"


@dataclass
class Guess:
    """A task as its files look."""

    name: str
    files: dict[SplitName, list[str]]
    keys: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)  # what was guessed, and why

    def toml(self) -> str:
        """The table, with the remarks above it."""
        lines = [*(f"# {remark}" for remark in self.remarks), f"[{self.name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in self.keys.items()]
        lines += [f"{split} = {_toml(names[0] if len(names) == 1 else names)}" for split, names in self.files.items()]
        return "\n".join(lines if "dev" in self.files else [*lines, "dev = 0.1"]) + "\n"


def guess_tasks(root: Path) -> tuple[list[Guess], list[str]]:
    """A task for each set of files of a directory whose names differ in train, dev and test alone; and a line on each file
    that was passed over. Raises DataError for a directory without a file that can be read."""
    try:
        paths = sorted(
            path for path in root.iterdir() if path.name not in ("tasks.toml", *NOTES) and not path.name.startswith(".")
        )
    except OSError as error:
        raise DataError(f"{root}: it cannot be read: {error.strerror}.") from None
    sets: dict[str, dict[SplitName, list[str]]] = {}
    passed = []
    for path in paths:
        if why := _passed_over(path):
            passed.append(f"{path.name}: passed over, {why}")
            continue
        name, split = _named(path)
        sets.setdefault(name, {}).setdefault(split, []).append(path.name)
    guesses = []
    for name, files in sets.items():
        ordered = {split: files[split] for split in SPLITS if split in files}
        if "train" not in ordered:
            passed.append(
                f"{', '.join(n for names in ordered.values() for n in names)}: passed over, without training files"
            )
            continue
        try:
            guesses.append(_guess(root, name, ordered))
        except DataError as error:
            passed.append(f"{ordered['train'][0]}: passed over: {error}")
    if not guesses:
        raise DataError(f"{root}: there is no file in it that looks like a task. {'; '.join(passed)}")
    return guesses, passed


def _passed_over(path: Path) -> str | None:
    """Why a file is not looked at, if it is not."""
    if path.is_dir():
        return None if is_saved(path) else "for it is a directory, and no data set that `datasets` saved"
    if not path.is_file():
        return "for it is no file, nor a link to one"
    is_known = format_of(path, FileForm()) is not None or of_words(path)
    return None if is_known else "for its name ends in nothing that is read"


def _named(path: Path) -> tuple[str, SplitName]:
    """The task that a name stands for, and the split; a file that says no split is for training."""
    count = 2 if path.suffix.lower() in PACKED else 1 if format_of(path, FileForm()) is not None else 0
    stem = path.name[: len(path.name) - len("".join(path.suffixes[-count:] if count else []))]
    for split, words in _WORDS.items():
        pattern = rf"(?:^|(?<=[^A-Za-z]))(?:{words})(?=[^A-Za-z]|$)"
        if re.search(pattern, stem, re.IGNORECASE):
            rest = re.sub(pattern, "", stem, count=1, flags=re.IGNORECASE)
            rest = re.sub(r"[-_.]*\d+([-_.]of[-_.]\d+)?$", "", rest)  # of several files a split
            return _task_name(rest, path), split
    return _task_name(stem, path), "train"


def _task_name(text: str, path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")[:40].lower() or _task_name_of_folder(path)


def _task_name_of_folder(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", path.resolve().parent.name).strip("-")[:40].lower() or "task"


def _guess(root: Path, name: str, files: dict[SplitName, list[str]]) -> Guess:
    guess = Guess(name, files)
    path = root / files["train"][0]
    if of_words(path):
        guess.keys, guess.remarks = guess_words(path, MOST_LABELS)
        if "dev" not in files:
            guess.remarks.append(_NO_DEV)
        return guess
    form = _form(path, guess)
    rows = [row for _, row in islice(read_rows(path, form, ()), ROWS) if isinstance(row, dict)]
    columns = {column: [_text(find(row, column)) for row in rows] for column in _columns(rows)}
    if not rows or len(columns) < 2:
        raise DataError(f"{path}: there are no two columns in it, one of texts and one of labels.")
    label = _label_column(columns)
    texts = _text_columns({c: values for c, values in columns.items() if c != label})
    if not texts:
        raise DataError(f"{path}: none of its columns {', '.join(columns)} looks like a text.")
    named = next((find(row, label) for row in rows), None)
    kind = _kind_of_names(named.names, guess) if isinstance(named, ClassLabel) else _kind(columns[label], guess)
    guess.keys = {**kind, "text": texts[0] if len(texts) == 1 else texts, "label": label}
    named_id = [c for c in columns if c not in texts and c != label and re.fullmatch(_IDS, c, re.IGNORECASE)]
    identity = min(named_id, key=lambda c: not re.match("pair", c, re.IGNORECASE), default=None)  # SNLI has others beside it
    if identity and len(set(columns[identity])) == len(rows):
        guess.keys["id"] = identity
    guess.keys |= {key: value for key, value in msgspec.structs.asdict(form).items() if value is not None}
    if none := [value for value in _NOT_LABELLED if value in columns[label]]:
        guess.keys["unlabelled"] = none
        guess.remarks.append(f"{' and '.join(map(repr, none))} in '{label}' was taken for no label")
    guess.remarks.insert(
        0, f"{' and '.join(map(repr, texts))} {'look' if len(texts) > 1 else 'looks'} like text, '{label}' like the label"
    )
    if "dev" not in files:
        guess.remarks.append(_NO_DEV)
    return guess


def _form(path: Path, guess: Guess) -> FileForm:
    """How a file is to be read, as far as it begins to make sense that way."""
    if format_of(path, FileForm()) not in ("delimited", "plain"):
        return FileForm()
    encoding = None
    try:
        head = list(islice(read_lines(path), ROWS))
    except DataError:
        head = list(islice(read_lines(path, "latin-1"), ROWS))
        encoding = "cp1252" if any("\x80" <= c < "\xa0" for line in head for c in line) else "latin-1"
        guess.remarks.append(f"it is no UTF-8: {encoding} is a guess")
    usual = SEPARATORS.get(suffix_of(path), "")
    separator = max(
        (usual, "\t", ",", ";", "|"), key=lambda s: min(line.count(s) for line in head[:20] if line.strip()) if s else -1
    )
    if usual and separator != usual and head[0].count(separator) == head[0].count(usual):
        separator = usual
    form = FileForm(separator=None if separator == usual else separator, encoding=encoding)
    if form.separator:
        guess.remarks.append(f"{separator!r} separates the columns, as often as that stands in its lines")
    if _breaks(path, form):
        form = msgspec.structs.replace(form, quote="none")
        guess.remarks.append("its quotes are no quotes of CSV: they are read as characters like any other")
    first = next(
        iter(read_rows(path, msgspec.structs.replace(form, columns=tuple(f"c{i}" for i in range(1, 999))), ())), None
    )
    fields = list(first[1].values()) if first and isinstance(first[1], dict) else []
    if any(_number(value) is not None or len(value.split()) > 4 for value in fields):
        form = msgspec.structs.replace(form, columns=tuple(f"column{i}" for i in range(1, len(fields) + 1)))
        guess.remarks.append("its first row is no header: the columns got names here, which are better replaced")
    return form


def _breaks(path: Path, form: FileForm) -> bool:
    """Whether it is no CSV with quotes: as such it cannot be read, or a line of a table of tabs leaves one open."""
    try:
        lines = [line for line, _ in islice(read_rows(path, form, ()), ROWS)]
    except DataError:
        return True
    tabs = form.separator == "\t" or suffix_of(path) == ".tsv"
    return tabs and any(line.count('"') % 2 for line in islice(read_lines(path, form.encoding), len(lines) + 1))


def _columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The columns of the rows, those of an object in one by their path."""

    def paths(row: dict[str, Any], before: str = "") -> Iterator[str]:
        for key, value in row.items():
            if isinstance(value, dict):
                yield from paths(value, f"{before}{key}.")
            elif (isinstance(value, str | int | float) and key and not key.startswith("#")) or re.fullmatch(r"#\d .*", key):
                yield f"{before}{key}"

    return list(dict.fromkeys(path for row in rows for path in paths(row)))


def _text(value: Any) -> str:
    return str(int(value) if isinstance(value, bool) else value).strip() if isinstance(value, str | int | float) else ""


def _label_column(columns: dict[str, list[str]]) -> str:
    """That of a usual name; or else one of numbers with a fraction; or else the last of those with the fewest values, if
    it is no text."""
    named = [column for column in columns if re.fullmatch(_LABELS, column.rpartition(".")[2], re.IGNORECASE)]
    named = [column for column in named if len(set(columns[column])) > 1] or named
    if named:
        return min(named, key=lambda c: _LABELS.split("|").index(c.rpartition(".")[2].lower()))
    short = {c: {*values} for c, values in columns.items() if len({*values} - {""}) > 1 and _words(values) <= MOST_WORDS}
    scores = [c for c, values in short.items() if all(_number(v) is not None and "." in v for v in values)]
    return min(reversed(scores or list(short) or list(columns)), key=lambda c: len(set(columns[c])))


def _text_columns(columns: dict[str, list[str]]) -> list[str]:
    """One, or two of about the same length: those with the longest texts, of several words or of a usual name."""
    lengths = {c: mean(map(len, values)) for c, values in columns.items() if _is_text(c, values)}
    longest = sorted(lengths, key=lengths.__getitem__, reverse=True)[:2]
    if len(longest) == 2 and lengths[longest[1]] < 0.2 * lengths[longest[0]]:
        longest = longest[:1]
    return [column for column in columns if column in longest]


def _is_text(column: str, values: list[str]) -> bool:
    name = column.rpartition(".")[2].lower()
    if re.search("parse|source", name):  # what SNLI and others have beside the sentences
        return False
    return _words(values) > MOST_WORDS or re.fullmatch(_TEXTS, name) is not None


def _words(values: list[str]) -> float:
    return mean(len(value.split()) for value in values)


def _kind_of_names(names: Sequence[str], guess: Guess) -> dict[str, Any]:
    """Of classes that the file itself names."""
    guess.remarks.append(f"the labels are {len(names)} classes, named in the file")
    return {"kind": "binary" if len(names) == 2 else "classification", "labels": list(names)}


def _kind(values: list[str], guess: Guess) -> dict[str, Any]:
    labels = sorted({value for value in values if value not in _NOT_LABELLED})
    numbers = [number for number in map(_number, labels) if number is not None]
    if len(labels) < 2:
        raise DataError(f"its label says the same in each of {len(values):,} rows.")
    if len(numbers) == len(labels) and (len(labels) > MOST_LABELS or any(number % 1 for number in numbers)):
        low, high = math.floor(min(numbers)), math.ceil(max(numbers))
        guess.remarks.append(f"the labels are numbers from {min(numbers):g} to {max(numbers):g}: a regression")
        return {"kind": "regression", "range": [low, high]}
    if len(labels) > MOST_LABELS:
        raise DataError(f"its label has more than {MOST_LABELS} values, and they are no numbers.")
    if numbers and len(numbers) == len(labels):
        labels.sort(key=float)
    if all(re.fullmatch(r"-?\d*,\d+", label) for label in labels):
        raise DataError("its labels are numbers with a decimal comma; write them as 1.5.")
    if len({label.casefold() for label in labels}) < len(labels):
        guess.remarks.append(
            "some labels differ in case alone: if they are the same, name one of each, and `map` the other to it"
        )
    guess.remarks.append(f"the labels are {len(labels)} values: {'binary' if len(labels) == 2 else 'a classification'}")
    if labels == ["0", "1"]:
        return {"kind": "binary"}
    return {"kind": "binary" if len(labels) == 2 else "classification", "labels": labels}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return msgspec.json.encode(value).decode()  # of a text and a number, JSON's form is TOML's too
