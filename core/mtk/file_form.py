"""What a file of examples is like, where its name does not say it."""

from __future__ import annotations

import codecs
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec


class FileForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is not said is None: a split's form is laid over its task's, and that over what the suffix of the file says."""

    separator: str | None = None
    quote: Literal["double", "none"] | None = None  # whether " encloses a field, or is a character like any other
    encoding: str | None = None  # UTF-8 unless given
    format: Literal["conll"] | None = None  # a word a line, and a blank line after each sentence
    columns: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None  # their names, where no header has them
    unlabelled: tuple[str, ...] | None = None  # what stands in place of a label where there is none
    map: dict[str, str] | None = None  # from the file's labels, in which * stands for anything, to the task's

    def __post_init__(self) -> None:
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n\0'):
            raise ValueError("`separator` is one character, such as ; or a tab, and no quote or line end")
        if self.encoding is not None:
            try:
                text = codecs.lookup(self.encoding)._is_text_encoding
            except (LookupError, ValueError):
                text = False
            if not text:
                raise ValueError(f"there is no encoding '{self.encoding}'; utf-8, latin-1, cp1252 and utf-16 are some")
        if self.columns and len({*self.columns}) < len(self.columns):
            raise ValueError(f"`columns` names a column twice: {', '.join(self.columns)}")

    def over(self, other: FileForm) -> FileForm:
        """This form, and what it does not say as `other` says it."""
        mine, others = ({key: getattr(form, key) for key in KEYS} for form in (self, other))
        return FileForm(**{key: others[key] if value is None else value for key, value in mine.items()})

    @property
    def form(self) -> FileForm:
        """This alone, of what says more."""
        return FileForm(**{key: getattr(self, key) for key in KEYS})

    def is_unlabelled(self, text: str) -> bool:
        """Whether this stands where there is no label: nothing, or one of `unlabelled`, of which -1 is -1.0 too."""
        return not text or any(text == none or _equal(text, none) for none in self.unlabelled or ())

    def named(self, text: str) -> str:
        """The task's name for a label of the file."""
        names = self.map or {}
        return names.get(text) or next((name for old, name in names.items() if fnmatchcase(text, old)), text)


def _equal(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return False


KEYS = FileForm.__struct_fields__
