"""The flag --json: standard output is JSON and nothing else, whatever a plugin or a library prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any

import click
import msgspec

from mtk_cli.escape import visible_json

_write: Callable[[str], object] = click.echo  # a line to standard output, wherever that is just now


def json_option(help: str) -> Callable[[Any], Any]:
    """The flag `--json` of a command, as `as_json`. For as long as the command runs with it, `print_json` alone reaches
    standard output."""

    def begin(ctx: click.Context, param: click.Parameter, is_given: bool) -> bool:
        if is_given:
            ctx.with_resource(_alone())
        return is_given

    return click.option("--json", "as_json", is_flag=True, callback=begin, help=help)


def print_json(record: Any, *, on_one_line: bool = False) -> None:
    """One document. A number that is none, which JSON has no word for, is null."""
    text = msgspec.json.encode(record, enc_hook=str)
    _write(visible_json((text if on_one_line else msgspec.json.format(text)).decode()))


@contextmanager
def _alone() -> Iterator[None]:
    """Send to standard error what is printed in here: by Python, by a library in C, by a process that somebody starts."""
    global _write
    stdout, before = sys.stdout, _write
    try:
        descriptor = stdout.fileno()
    except (AttributeError, OSError):  # one that Python code put there; no other language can write to it
        descriptor = None
    try:
        if descriptor is None:
            _write = partial(click.echo, file=stdout)
            with redirect_stdout(sys.stderr):
                yield
        else:
            with _diverted(descriptor) as kept:
                _write = partial(_write_line, kept)
                yield
    finally:
        _write = before


@contextmanager
def _diverted(descriptor: int) -> Iterator[int]:
    """Let a file descriptor be standard error's; what it was has another one meanwhile."""
    sys.stdout.flush()
    kept = os.dup(descriptor)
    os.dup2(sys.stderr.fileno(), descriptor)
    try:
        yield kept
    finally:
        sys.stdout.flush()
        os.dup2(kept, descriptor)
        os.close(kept)


def _write_line(descriptor: int, text: str) -> None:
    left = f"{text}\n".encode()
    while left:
        left = left[os.write(descriptor, left) :]
