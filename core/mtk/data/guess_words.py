"""What files with a word a line look like, whatever their names end in: the shared tasks' own end in .train and .testa."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from mtk.data import conll
from mtk.data.formats import format_of, suffix_of
from mtk.data.text_files import read_lines
from mtk.errors import DataError
from mtk.file_form import FileForm

LINES = 400  # that are looked at to tell
MOST_COLUMNS = 12


def of_words(path: Path) -> bool:
    """Whether it has a word a line: in as many columns on each, two or more, with blank lines in between."""
    if format_of(path, FileForm()) == "conll":
        return True
    if format_of(path, FileForm()) not in (None, "plain"):
        return False
    try:
        lines = list(islice(read_lines(path), LINES))
    except DataError:
        return False
    counts = {len(line.split()) for line in lines if line.strip() and not line.startswith(("-DOCSTART-", "#"))}
    blank = sum(not line.strip() for line in lines)
    return len(counts) == 1 and 1 < max(counts) <= MOST_COLUMNS and 0 < blank < len(lines) / 2


def guess_words(path: Path, most_labels: int) -> tuple[dict[str, Any], list[str]]:
    """The keys of a task of such files, and what was guessed. Raises DataError where the last column is no label."""
    universal = suffix_of(path) == ".conllu"
    rows = [row for _, row in conll.sentences(read_lines(path), FileForm(), universal=universal) if isinstance(row, dict)]
    text, label = ("form", "upos") if universal else ("#1", "#-1")
    if not rows or label not in rows[0]:
        raise DataError(f"{path}: there is no sentence in it with words and labels.")
    labels = sorted({tag for row in rows for tag in str(row[label]).split()}, key=lambda tag: (tag != "O", tag))
    if not 1 < len(labels) <= most_labels:
        raise DataError(f"{path}: its last column has {len(labels)} values, and is not taken for a label of words.")
    keys: dict[str, Any] = {"kind": "tokens", "labels": labels, "text": text, "label": label}
    if format_of(path, FileForm()) != "conll":
        keys["format"] = "conll"
    columns = "columns 'form' and 'upos'" if universal else "the first column, '#1', and the last, '#-1'"
    return keys, [f"a word a line: words and their labels are {columns}"]
