"""A plugin's code while it is imported: what it prints goes to standard error, and it cannot end the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import NoReturn


@contextmanager
def contained() -> Iterator[None]:
    """Import a plugin in here. Standard output is for what the user asked for, such as JSON; and `os._exit`, which no
    `except` sees, becomes a SystemExit."""

    def refused(status: int) -> NoReturn:
        raise SystemExit(f"it called os._exit({status}) while it was imported")

    ending, os._exit = os._exit, refused
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os._exit = ending
