"""What takes its time to make, kept on disk: in `$MTK_CACHE`, or in `mtk` in the user's cache directory.

An entry's name is a digest of all that decides its content: of anything else there is another entry, and nothing is ever
out of date. A folder has what is of one sort, and any of it can be deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

LIMIT = 1 << 30  # bytes of a folder; beyond that, what has not been used for longest goes
_DIGEST = 32  # bytes, at the beginning of a file: of the rest


def directory(folder: str) -> Path:
    """Where the entries of a folder are; it may not exist. Raises RuntimeError where there is no home directory."""
    own = os.environ.get("MTK_CACHE")
    return (Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtk") / folder


def kept(folder: str, parts: Iterable[str | bytes], make: Callable[[], bytes]) -> bytes:
    """What `make` gives: as it is kept in `folder`, or else made, and kept from now on. The `parts` decide what it is, its
    format's version among them.

    What is read is what was written, or it is made anew. Whatever stands in the way of reading or writing a file, it does
    not stand in that of the caller.
    """
    digest = sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    try:
        entry = directory(folder) / digest.hexdigest()
    except RuntimeError:  # there is no home directory
        return make()
    with suppress(OSError):
        stored = memoryview(entry.read_bytes())
        if sha256(stored[_DIGEST:]).digest() == stored[:_DIGEST]:
            with suppress(OSError):  # a cache that can only be read is one too
                os.utime(entry)
            return bytes(stored[_DIGEST:])
    content = make()
    with suppress(OSError):
        _keep(content, entry)
    return content


def _keep(content: bytes, entry: Path) -> None:
    """Write an entry whole or not at all: two processes may do so at once. What one left half-written ages like others."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    beside = entry.with_suffix(f".{os.getpid()}")
    try:
        beside.write_bytes(sha256(content).digest() + content)
        beside.replace(entry)
    finally:
        beside.unlink(missing_ok=True)
    size = 0
    for path in sorted(entry.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
        size += path.stat().st_size
        if size > LIMIT and path != entry:
            path.unlink(missing_ok=True)
