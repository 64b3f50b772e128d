"""From a file to lines of text: what it is packed with, which encoding it is in, and what is no text at all.

A file is read as a stream: what a line may take is bounded, and so is what is asked of anything but a file.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import stat
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from mtk.errors import DataError

PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

LONGEST_LINE = 4_000_000  # characters; of one field too
_BEGINNING = 1000  # bytes that are looked at where a file turns out to be no text

# A byte order mark says what a file is, whatever else is said of it. That of UTF-32 begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SIGNATURES = {
    b"\x1f\x8b": "is packed with gzip; let its name end in .gz",
    b"\xfd7zXZ": "is packed with xz; let its name end in .xz",
    b"BZh9": "is packed with bzip2; let its name end in .bz2",
    b"\x28\xb5\x2f\xfd": "is packed with zstd; unpack it",
    b"PK\x03\x04": "is a zip archive, as a workbook of Excel is too; unpack it, or save the sheet as .csv",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"\xd0\xcf\x11\xe0": "is a workbook of Excel; save the sheet as .csv",
    b"PAR1\x15": "is parquet; let its name end in .parquet",
    b"ARROW1\0": "is an Arrow file; let its name end in .arrow",
    b"SQLite format 3": "is a database; export the table as .csv",
    b"%PDF-": "is a PDF",
    b"{\\rtf": "is rich text; save it as plain text",
    b"version https://git-lfs": "is a pointer of Git LFS, in place of the file; `git lfs pull` fetches that",
}


def open_file(path: Path) -> BinaryIO:
    """A regular file, unpacked as the end of its name says. A pipe is not waited for. Raises DataError."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise DataError(f"{path}: it cannot be read: a pipe, a socket or a device is no file. Save what it gives.")
        file = path.open("rb")
        unpacked = PACKED.get(path.suffix.lower())
        return unpacked(file) if unpacked else file
    except OSError as error:
        raise DataError(f"{path}: it cannot be read: {error.strerror}.") from None
    except ValueError as error:  # of a name that no file has
        raise DataError(f"{path}: it cannot be read: {error}.") from None


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a text file with their ends; a carriage return by itself ends none. Raises DataError."""
    lines = _lines(path, encoding)
    return chain([next(lines)], lines)  # so that a file which cannot be read is answered here


def _lines(path: Path, encoding: str | None) -> Iterator[str]:
    number = 0
    try:
        with open_file(path) as file:
            for line in decoded(file, encoding):
                number += 1
                if number == 1 and (is_no_text := _signature(path)):
                    raise DataError(f"{path}: this {is_no_text}.")
                if "\0" in line:
                    raise DataError(_of_nul(path, number))
                if len(line) > LONGEST_LINE:
                    raise DataError(
                        f"{path}:{number}: the line is longer than {LONGEST_LINE:,} characters. Look whether this is the "
                        f"right file."
                    )
                yield line
    except UnicodeError as error:
        raise DataError(_undecoded(path, encoding, error)) from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: it cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if not number:
        raise DataError(f"{path}: the file is empty.")


def decoded(file: BinaryIO, encoding: str | None = None) -> Iterator[str]:
    """The lines of a stream of bytes, with their ends and without a byte order mark, which comes before what is said of the
    encoding: none is read much further than a line may be. Raises UnicodeError."""
    stream = io.BufferedReader(file)  # type: ignore[type-var]  # in which one can look ahead
    beginning = stream.peek(4)
    marked = next((name for mark, name in _MARKS.items() if beginning.startswith(mark)), None)
    text = io.TextIOWrapper(stream, marked or encoding or "utf-8", newline="\n")
    try:
        while line := text.readline(LONGEST_LINE + 1):
            yield line
    finally:
        text.detach()
        stream.detach()


def _beginning(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(_BEGINNING)


def _signature(path: Path) -> str | None:
    """What a file is that is no text, and what to do with it."""
    beginning = _beginning(path)
    return next((what for signature, what in _SIGNATURES.items() if beginning.startswith(signature)), None)


def _of_nul(path: Path, line: int) -> str:
    """What is said of a NUL: UTF-16, and most of what is no text, have one in their first line."""
    if line > 1:
        return f"{path}:{line}: there is a NUL, which stands in no text, as in what was cut short or damaged. Take it out."
    return (
        f"{path}: this is a binary file, or UTF-16 without a mark; a table of text is needed, and `encoding` names its "
        f"encoding, such as utf-16-le."
    )


def _undecoded(path: Path, encoding: str | None, error: UnicodeError) -> str:
    try:
        if is_no_text := _signature(path):
            return f"{path}: this {is_no_text}."
        if 0 in _beginning(path) and encoding is None:
            return _of_nul(path, 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        pass
    reason = getattr(error, "reason", None) or str(error)
    advice = 'Save the file as UTF-8, or say which encoding it is in, such as `encoding = "latin-1"`.'
    if encoding is not None:
        advice = "Look which encoding it is in, and let `encoding` say that, or save it as UTF-8."
    return f"{path}:{_bad_line(path, encoding)}: this is not {encoding or 'UTF-8'}: {reason}. {advice}"


def _bad_line(path: Path, encoding: str | None) -> int:
    """The first line that cannot be decoded by itself; the first for an encoding of which lines cannot be."""
    with open_file(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding or "utf-8")
            except UnicodeError:
                return number
    return 1
