"""The flags that say what a file is like, as the keys of tasks.toml do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click
import msgspec

from mtk import UsageError
from mtk.file_form import FileForm

_ESCAPES = {"\\t": "\t", "tab": "\t", "space": " "}  # as they can be typed


def form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of what a file is like, as one argument `form` of the command."""

    @click.option("--separator", metavar="CHAR", help="What separates the columns of a table; \\t is a tab.")
    @click.option("--quote", type=click.Choice(["double", "none"]), help='none: " is a character like any other.')
    @click.option("--encoding", metavar="NAME", help="UTF-8 unless given.")
    @click.option("--format", "layout", metavar="conll", help="conll: a word a line, a blank line after a sentence.")
    @click.option("--columns", "header", metavar="A,B,…", help="The names of the columns, where no header has them.")
    @wraps(command)
    def with_form(
        *args: Any,
        separator: str | None,
        quote: str | None,
        encoding: str | None,
        layout: str | None,
        header: str | None,
        **kwargs: Any,
    ) -> Any:
        given = {
            "separator": _ESCAPES.get(separator or "", separator),
            "quote": quote,
            "encoding": encoding,
            "format": layout,
            "columns": header.split(",") if header else None,
            "unlabelled": kwargs.pop("unlabelled", None) or None,
            "map": _pairs(kwargs.pop("mapped", ())) or None,
        }
        try:
            form = msgspec.convert(given, FileForm)
        except msgspec.ValidationError as problem:
            reason, _, where = str(problem).partition(" - at `$.")
            flag = f"--{where.rstrip('`')}: " if where else ""
            raise UsageError(f"{flag}{reason}.") from None
        return command(*args, form=form, **kwargs)

    return with_form


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of what labels are like, for a command that reads them; `form_options` stands below it."""
    click.option("--map", "mapped", multiple=True, metavar="OLD=NEW", help="A label of the file, and the task's for it.")(
        command
    )
    click.option("--unlabelled", multiple=True, metavar="TEXT", help="What stands where there is no label.")(command)
    return command


def _pairs(mapped: Sequence[str]) -> dict[str, str]:
    for text in mapped:
        if "=" not in text:
            raise UsageError(f"--map {text}: it takes a label of the file and the task's for it, OLD=NEW.")
    return dict(text.rpartition("=")[::2] for text in mapped)
