"""Files that are whole or absent: written aside, flushed to the disk, then renamed; and read only if they are files.

A death at any moment leaves what was there before, or what should be there, and never a part of it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from mtk.errors import DataError, MtkError

PARTIAL, FORMER = ".partial", ".former"

T = TypeVar("T")


def read_file(path: Path, what: str, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; `what` it is, for the message. A pipe is not waited for.
    Raises DataError."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: {what} is a file, and this is none.")
        if status.st_size > most:
            raise DataError(f"{path}: {status.st_size:,} bytes are too many for {what}; {most:,} are allowed.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {what} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # of a name that can be none
        raise DataError(f"{path}: {what} cannot be read: {error}.") from None


def read_json(path: Path, what: str, most: int, kind: type[T]) -> T:
    """What `read_file` gives, as the JSON of a `kind` that was saved there. Raises DataError."""
    content = read_file(path, what, most)
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not what was saved: it was truncated or edited. {error}") from None


def is_directory(path: str | Path) -> bool:
    """Whether there is such a directory; no name is too long, or too odd, to be asked for."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


@contextmanager
def replacing(path: Path, mode: str = "wb", **how: Any) -> Iterator[IO[Any]]:
    """A file to write, opened as `open` does with `mode` and `how`, that takes the name and the place of `path` when the
    block is left; nothing remains of it where the block fails. Raises OSError."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open(mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        flush(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink()


def write_file(path: Path, content: bytes) -> None:
    """Let `path` have this content, in place of what it had. Raises MtkError."""
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise _unwritten(path, error) from error


def write_directory(path: Path, fill: Callable[[Path], object]) -> None:
    """Let the directory `path` hold what `fill` writes, in place of what it held. For the moment between two renames what it
    held is beside it, under the name that `standing` knows. Raises MtkError, and `path` is as it was."""
    partial, former = path.with_name(path.name + PARTIAL), path.with_name(path.name + FORMER)
    try:
        if not path.exists() and former.exists():
            former.rename(path)  # where a death was between the two
        _remove(partial)
        _remove(former)
        partial.mkdir(parents=True)
        fill(partial)
        mode = partial.stat().st_mode & 0o666  # as the umask has it, which safetensors does not ask
        for directory, _, names in os.walk(partial):
            for name in names:
                Path(directory, name).chmod(mode)
                flush(Path(directory, name))
            flush(Path(directory))
        if path.exists():
            path.rename(former)
        partial.rename(path)
        flush(path.parent)
        _remove(former)
    except Exception as error:
        with suppress(OSError):
            if not path.exists() and former.exists():
                former.rename(path)
            _remove(partial)
        if isinstance(error, OSError):
            raise _unwritten(path, error) from error
        if type(error).__name__ == "SafetensorError":  # what safetensors makes of an OSError
            raise MtkError(f"{path} cannot be written: {error}. What was there before is untouched.") from error
        raise


def standing(path: Path) -> Path:
    """The directory that `write_directory` left as `path`: itself, or, after a death between its two renames, the one beside
    it."""
    former = path.with_name(path.name + FORMER)
    return former if not path.exists() and former.is_dir() else path


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_as_saved(path: Path, checksum: str) -> bool:
    """Whether it is a file, no link to one, with this digest."""
    return path.is_file() and not path.is_symlink() and digest(path) == checksum


def flush(path: Path) -> None:
    """Have a file or a directory on the disk, where the system can do that."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _unwritten(path: Path, error: OSError) -> MtkError:
    return MtkError(f"{path} cannot be written: {error.strerror}. What was there before is untouched.")
