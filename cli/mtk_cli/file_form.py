"""The flags that say what a file is like, as the keys of tasks.toml do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import msgspec

from mtk import UsageError
from mtk.file_form import FileForm

_ESCAPES = {"\\t": "\t", "tab": "\t", "space": " "}  # as they can be typed


def form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags, as one argument `form` of the command."""

    @click.option("--separator", metavar="CHAR", help="What separates the columns of a table; \\t is a tab.")
    @click.option("--quote", type=click.Choice(["double", "none"]), help='none: " is a character like any other.')
    @click.option("--encoding", metavar="NAME", help="UTF-8 unless given.")
    @click.option("--columns", "header", metavar="A,B,…", help="The names of the columns, where no header has them.")
    @wraps(command)
    def with_form(
        *args: Any, separator: str | None, quote: str | None, encoding: str | None, header: str | None, **kwargs: Any
    ) -> Any:
        given = {
            "separator": _ESCAPES.get(separator or "", separator),
            "quote": quote,
            "encoding": encoding,
            "columns": header.split(",") if header else None,
        }
        try:
            form = msgspec.convert(given, FileForm)
        except msgspec.ValidationError as problem:
            reason, _, where = str(problem).partition(" - at `$.")
            flag = f"--{where.rstrip('`')}: " if where else ""
            raise UsageError(f"{flag}{reason}.") from None
        return command(*args, form=form, **kwargs)

    return with_form
