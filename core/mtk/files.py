"""Files that are whole or absent: written aside, flushed to the disk, then renamed; and read only if they are files.

A death at any moment leaves what was there before, or what should be there, and never a part of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from mtk.errors import DataError, MtkError

PARTIAL, FORMER = ".partial", ".former"
_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)  # where the system has them

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
    return _as_json(read_file(path, what, most), path, kind)


def sealed_json(value: object) -> bytes:
    """A struct as JSON, in the first line of which stands the SHA-256 of the others."""
    others = msgspec.json.format(msgspec.json.encode(value)).removeprefix(b"{\n")
    return b'{ "sha256": "%s",\n' % hashlib.sha256(others).hexdigest().encode() + others


def read_sealed_json(path: Path, what: str, most: int, kind: type[T]) -> tuple[T, bool]:
    """What `sealed_json` made of a `kind`, and whether it was sealed, which is for the caller to insist on. Raises
    DataError."""
    content = read_file(path, what, most)
    first, _, others = content.partition(b"\n")
    if not (seal := re.fullmatch(rb'\{ "sha256": "([0-9a-f]{64})",', first)):
        return _as_json(content, path, kind), False
    if hashlib.sha256(others).hexdigest().encode() != seal[1]:
        raise DataError(f"{path} is not what was saved: it was truncated or edited.")
    return _as_json(b"{" + others, path, kind), True


def _as_json(content: bytes, path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind, dec_hook=_of_type)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not what was saved: it was truncated or edited. {error}") from None


def _of_type(kind: type[T], value: Any) -> T:
    """What JSON has no word for, such as a path, of what was written in its place."""
    return kind(value)  # type: ignore[call-arg]


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
        raise unwritten(path, error) from error


def append(path: Path, content: bytes) -> None:
    """Add to a regular file, which no link and no pipe is: all of it, or where there is no room nothing. Raises MtkError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK | _NO_WAIT, 0o666)
        with open(handle, "ab", buffering=0) as file:  # noqa: PTH123, of a handle and not of a path
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            left = memoryview(content)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                os.ftruncate(handle, status.st_size)
                raise
    except OSError as error:
        raise unwritten(path, error) from error


def write_directory(path: Path, fill: Callable[[Path], object]) -> None:
    """`write_directories` of one."""
    write_directories({path: fill})


def write_directories(fills: Mapping[Path, Callable[[Path], object]]) -> None:
    """Let each of these directories, which stand side by side, hold what its function writes, in place of what it held: all
    of them, or none. For the moments between some renames what they held is beside them, under the name that `standing`
    knows. A death in these leaves the former ones, or the first of the new ones and no other, never one of each. Raises
    MtkError, and they are as they were."""
    paths, placed = list(fills), list[Path]()
    try:
        settle(paths)
        for path, fill in fills.items():
            _partial(path).mkdir(parents=True)
            fill(_partial(path))
            _flush_tree(_partial(path))
        for path in reversed(paths):
            if _is_there(path):
                path.rename(_former(path))
        for path in paths:
            _partial(path).rename(path)
            placed.append(path)
        flush(paths[0].parent)
    except Exception as error:
        with suppress(OSError):
            for path in reversed(placed):
                path.rename(_partial(path))
            settle(paths)
        if isinstance(error, OSError):
            raise unwritten(paths[0], error) from error
        if type(error).__name__ == "SafetensorError" or "(os error " in str(error):  # what Rust makes of an OSError
            raise MtkError(f"{paths[0]} cannot be written: {error}. What was there before is untouched.") from error
        raise
    with suppress(OSError):  # the new ones are in place; what could not be removed is when the next ones are written
        for path in paths:
            _remove(_former(path))


def settle(paths: Sequence[Path]) -> None:
    """Clear away what a death left beside the directories that `write_directories` writes together, and put back what it had
    taken away. Raises OSError."""
    is_replaced = _is_there(paths[0]) and _is_there(_former(paths[0]))
    for path in paths:
        if not _is_there(path) and _is_there(_former(path)) and not is_replaced:
            _former(path).rename(path)
    for path in paths:
        _remove(_partial(path))
        _remove(_former(path))


def standing(path: Path) -> Path:
    """The directory that `write_directory` left as `path`: itself, or, after a death between its renames, the one beside
    it."""
    return _former(path) if not _is_there(path) and _former(path).is_dir() else path


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


def remove(path: Path) -> None:
    """Remove a file that may be there. Raises MtkError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise MtkError(f"{path} cannot be removed: {error.strerror}.") from error


def unwritten(path: Path, error: OSError) -> MtkError:
    """What is said of a failure to write there."""
    return MtkError(f"{path} cannot be written: {error.strerror or error}. What was there before is untouched.")


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _former(path: Path) -> Path:
    return path.with_name(path.name + FORMER)


def _is_there(path: Path) -> bool:
    """As a directory or as anything else, a link that leads nowhere included."""
    return os.path.lexists(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif _is_there(path):
        path.unlink()


def _flush_tree(directory: Path) -> None:
    """Have all of it on the disk, with the modes that the umask has, for which safetensors does not ask."""
    mode = directory.stat().st_mode & 0o666
    for folder, _, names in os.walk(directory):
        for name in names:
            Path(folder, name).chmod(mode)
            flush(Path(folder, name))
        flush(Path(folder))
