"""A plugin's code where it must not speak for the program, nor end it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import NoReturn


@contextmanager
def contained() -> Iterator[None]:
    """Import a plugin in here, or try it. Standard output is for what the user asked for; and `os._exit`, which no `except`
    sees, becomes a SystemExit. A process that the plugin forks may end as it likes."""
    ending, process = os._exit, os.getpid()

    def refused(status: int) -> NoReturn:
        if os.getpid() != process:
            ending(status)
        raise SystemExit(f"it called os._exit({status})")

    os._exit = refused
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os._exit = ending
