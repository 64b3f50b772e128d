"""What is odd about rows that can be read, and about labels that cannot: said once, so that nobody finds out by a score."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from mtk.data.split import Split, is_missing
from mtk.file_form import FileForm
from mtk.task import Task

MANY_ROWS, MOSTLY = 20, 0.9  # from so many rows on, a label that so many of them have is pointed out

_FOREIGN_NUMBER = re.compile(r"[-+]?[\d.]*,[\d,.]+|[-+]?[\d.,]+ ?%")
_C1 = re.compile("[\x80-\x9f]")


def of_rows(split: Split, task: Task, form: FileForm) -> list[str]:
    """What is odd within one split, each in a line."""
    found = []
    if task.id is not None and (again := len(split) - len({*split.ids})):
        twice = next(name for name, count in Counter(split.ids).items() if count > 1)
        found.append(f"{again:,} of {len(split):,} rows have an id that stands before, such as '{twice}'")
    if doubt := _of_encoding(split, form):
        found.append(doubt)
    merged = [split.ids[i] for column in split.texts for i, text in enumerate(column) if _holds_rows(text, task, form)]
    if merged:
        found.append(
            f"{len(merged):,} of {len(split):,} texts hold what looks like rows of their own, such as that of {merged[0]}: "
            f'does a quote open there that is none? `quote = "none"` takes quotes as they are'
        )
    return [f"{split.source.name}: {doubt}" for doubt in found]


def _of_encoding(split: Split, form: FileForm) -> str | None:
    """Whether the encoding that was named is another one than the file's."""
    if form.encoding is None:
        return None
    foreign = [text for column in split.texts for text in column if isinstance(text, str) and not text.isascii()]
    if foreign and 2 * sum(_is_utf8(text, form.encoding) for text in foreign) > len(foreign):
        return f"it seems to be UTF-8, and is read as {form.encoding}"
    if count := sum(_C1.search(text) is not None for text in foreign):
        return f'{count:,} texts have control characters where cp1252 has quotes and dashes: is `encoding = "cp1252"` meant?'
    return None


def _is_utf8(text: str, encoding: str) -> bool:
    try:
        return text.encode(encoding).decode() != text
    except (UnicodeError, LookupError):
        return False


def _holds_rows(text: str, task: Task, form: FileForm) -> bool:
    """Whether a text of several lines looks like rows that a stray quote made one: tabs, or a label where lines meet."""
    if not isinstance(text, str) or "\n" not in text:
        return False
    lines = text.split("\n")
    ends = [line.rpartition(mark)[2] for line in lines[:-1] for mark in ",;|" if mark in line]
    begins = [line.partition(mark)[0] for line in lines[1:] for mark in ",;|" if mark in line]
    return "\t" in text or any(_is_label(part.strip(' "'), task, form) for part in (*ends, *begins))


def _is_label(text: str, task: Task, form: FileForm) -> bool:
    return form.named(text) in task.labels or (not task.labels and _is_score(text))


def between(train: Split, others: Iterable[tuple[str, Split]], task: Task) -> list[str]:
    """What is odd about a training split and the others of its task, by their names: the same texts, or other labels."""
    found = []
    known = {*zip(*train.texts, strict=True)}
    classes = set(_classes(train, task))
    for name, split in others:
        leaked = sum(texts in known for texts in zip(*split.texts, strict=True))
        if leaked:
            found.append(f"{leaked:,} of {len(split):,} {name} rows stand in the training rows too, word for word")
        counted = Counter(_classes(split, task))
        unseen = {number: count for number, count in counted.items() if number not in classes}
        if unseen:
            labels = ", ".join(task.labels[int(number)] for number in sorted(unseen)[:5])
            more = ", …" if len(unseen) > 5 else ""
            what = "word" if task.kind.level == "token" else "row"
            found.append(
                f"{sum(unseen.values()):,} of {counted.total():,} {name} {what}s have a label that no training {what} has: "
                f"{labels}{more}"
            )
    return found


def unbalanced(split: Split, task: Task) -> list[str]:
    """Where nearly all of the rows have one label, what a model scores that knows no other."""
    numbers = _classes(split, task)
    if task.kind.level == "token" or len(numbers) < MANY_ROWS or len(numbers) < len(split):
        return []  # of words most are O
    number, count = Counter(numbers).most_common(1)[0]
    share = count / len(split)
    if not MOSTLY <= share < 1:
        return []
    value, source = task.labels[int(number)], split.source.name
    return [f"{source}: {count:,} of {len(split):,} rows have the label {value}: who always says so is right in {share:.1%}"]


def of_labels(unknown: Mapping[str, int], task: Task) -> tuple[str, int]:
    """What labels that are none of the task's have in common, with what to do, and how many rows have them; or "" and 0."""
    if not task.labels:
        written = {text: count for text, count in unknown.items() if _FOREIGN_NUMBER.fullmatch(text)}
        said = "A score is written as 1.5 or 1500: with a decimal point, no separator of thousands, and no percent sign."
        return (said, sum(written.values())) if written else ("", 0)
    by_case = {_folded(label): label for label in task.labels}
    meant = {text: by_case[_folded(text)] for text in unknown if _folded(text) in by_case}
    if meant:
        pairs = ", ".join(f'"{text}" = "{label}"' for text, label in list(meant.items())[:5])
        said = f"They differ from labels of the task in no more than case: say that they are meant, `map = {{{pairs}}}`."
        return said, sum(unknown[text] for text in meant)
    return "", 0


def _folded(text: str) -> str:
    seen = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(seen.casefold().split())


def _classes(split: Split, task: Task) -> list[float]:
    """The numbers of the classes that the rows have, or their words; none where a row has no such number."""
    if not task.labels or task.kind.candidates:
        return []
    rows = [label for label in split.labels or () if not is_missing(label)]
    if task.kind.level == "token":
        return [number for label in rows if isinstance(label, tuple) for number in label]
    return [label for label in rows if not isinstance(label, tuple)]


def _is_score(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d*)?", text) is not None
