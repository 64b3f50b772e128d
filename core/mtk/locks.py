"""Which process works in a directory: a lock on a file in it, which the system takes back when that process ends, however it
does. Where there are no such locks, as on Windows, nobody is kept away."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from mtk.files import unwritten

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

PATIENCE = 0.2  # seconds in which whoever only looks has looked


class Lock:
    """A lock that this process has, until `release` or its end."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path, self._handle = path, handle

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """That of the file `path`, which is made; None where another process has it. Raises MtkError where it cannot be
        made."""
        if fcntl is None:
            return cls(path, None)
        deadline = time.monotonic() + PATIENCE
        while True:
            if (handle := _locked(path)) is not None:
                return cls(path, handle)
            if time.monotonic() > deadline:
                return None
            time.sleep(PATIENCE / 10)

    def release(self) -> None:
        """Let others have it."""
        if self._handle is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._handle)
            self._handle = None


def is_locked(path: Path) -> bool:
    """Whether a process has the lock of this file."""
    if fcntl is None:
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _locked(path: Path) -> int | None:
    """A handle of the file that has its lock; None where somebody else has it. Raises MtkError."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise unwritten(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except OSError:  # held, or removed by the process that had it
        pass
    os.close(handle)
    return None
