"""What comes from a file, a plugin or a command line, as a terminal may see it: every way to the screen passes here."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
import unicodedata

import click

_JOINERS = "\u200c\u200d"  # which letters of some scripts, and emoji, are written with

LONGEST = 1000  # characters of a message


def visible(text: object) -> str:
    """A text in which nothing moves the cursor, changes a colour, or turns the direction of reading: control characters
    but for the line feed and the tab, invisible format characters, and what is no Unicode are written as escapes."""
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else _escaped(character) for character in text)


def shortened(text: str) -> str:
    """A message without the middle of what is longer than a screen, such as a value of a million digits."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def visible_json(text: str) -> str:
    """A JSON document, in which such characters are only within strings, with JSON's own escapes for them."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        c if _is_harmless(c) else "".join(f"\\u{unit:04x}" for unit in _utf16(c)) for c in text
    )  # JSON leaves no control character below U+0020 as it is but those between its lines


def say(text: object, *, err: bool = False) -> None:
    """Print a line, or lines; a terminal's are broken between words."""
    shown = visible(text)
    if (sys.stderr if err else sys.stdout).isatty():
        shown = wrapped(shown, shutil.get_terminal_size().columns)
    click.echo(shown, err=err)


def wrapped(text: str, width: int) -> str:
    """Lines of at most `width` characters, broken between words, with the indentation that they had. A word that is longer,
    such as a path, stays whole, so that it can be copied."""
    lines = []
    for line in text.split("\n"):
        indentation = line[: len(line) - len(line.lstrip(" "))]
        lines += textwrap.wrap(
            line, max(width, 10), subsequent_indent=indentation, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


class Warnings(logging.Handler):
    """What the logger `mtk` has to warn of, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"warning: {record.getMessage()}", err=True)


def _is_harmless(character: str) -> bool:
    return character in "\n\t" or character in _JOINERS or unicodedata.category(character) not in _HARMFUL


_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _utf16(character: str) -> list[int]:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]
