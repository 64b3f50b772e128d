"""Text with a word a line and a blank line after each sentence, as the shared tasks of CoNLL have it: a row is a
sentence, and its columns are those of its words, a space between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from mtk.file_form import FileForm

SUFFIXES = (".conll", ".conllu", ".bio", ".iob", ".iob2")
_UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")  # of .conllu


def sentences(
    lines: Iterable[str], form: FileForm, *, universal: bool = False
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The line on which each sentence starts, and its columns, or the reason why it has none. A column without a name, which
    `columns` gives, is called by its number from the left, `#1`, and from the right, `#-1`.

    Words are separated as the form says, or by tabs where a line has any, or by white space. Left out are -DOCSTART-,
    lines of comment before a sentence, and of the universal form what spans several words (1-2) or none (1.1)."""
    columns = form.columns or (_UNIVERSAL if universal else ())
    start, words = 0, list[list[str]]()
    reason, width = "", len(columns)
    for number, line in enumerate(chain(lines, [""]), start=1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if words or reason:
                yield start, reason or _row(words, columns)
            words, reason = [], ""
            continue
        fields = _fields(line.rstrip("\r\n"), form)
        if not words and line.startswith("#") and (universal or (len(fields) != width if width else "=" in line)):
            continue  # a comment; a word that is # stands in as many columns as every other
        if universal and not fields[0].isdecimal():
            continue
        if not words:
            start, width = number, width or len(fields)
        if columns and len(fields) != len(columns):
            reason = reason or f"line {number} has {len(fields)} columns, and there are {len(columns)}: {', '.join(columns)}"
        elif words and len(fields) != len(words[0]):
            reason = reason or f"line {number} has {len(fields)} columns, and the first of the sentence {len(words[0])}"
        words.append(fields)


def _fields(line: str, form: FileForm) -> list[str]:
    if form.separator:
        return line.split(form.separator)
    return line.split("\t") if "\t" in line else line.split()


def _row(words: list[list[str]], columns: tuple[str, ...]) -> dict[str, Any] | str:
    if any(len(field.split()) != 1 for word in words for field in word):
        return "a word, or what is said of it, is empty or holds white space"
    texts = [" ".join(column) for column in zip(*words, strict=True)]
    if columns:
        return dict(zip(columns, texts, strict=True))
    return {f"#{n}": text for n, text in enumerate(texts, 1)} | {f"#{n - len(texts)}": text for n, text in enumerate(texts)}
