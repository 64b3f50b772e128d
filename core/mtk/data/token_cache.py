"""Token ids on disk, so that a run on the text of an earlier one does not tokenize it again.

An entry's name is a digest of all that decides its content: another text, tokenizer or option is another entry, and nothing
is ever out of date. Entries are in `tokens/` of `$MTK_CACHE`, or of `mtk` in the user's cache directory, and can be deleted
at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

LIMIT = 1 << 30  # bytes in all; beyond that, what has not been used for longest goes
_FORMAT = b"2"  # of what is kept; another one, and nothing kept before is found
_DIGEST = 32  # bytes, at the beginning of a file: of the rest


def directory() -> Path:
    """Where entries are; it may not exist."""
    own = os.environ.get("MTK_CACHE")
    return (Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtk") / "tokens"


def kept(parts: Iterable[str], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `make` gives, which `parts` decide: as it is kept, or else made, and kept from now on.

    Whatever stands in the way of reading or writing a file, it does not stand in that of the caller.
    """
    digest = sha256(_FORMAT)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    try:
        entry = directory() / digest.hexdigest()
    except RuntimeError:  # there is no home directory
        return make()
    with suppress(OSError, SafetensorError):
        stored = entry.read_bytes()
        if sha256(stored[_DIGEST:]).digest() == stored[:_DIGEST]:
            tensors: dict[str, Tensor] = load(stored[_DIGEST:])
            with suppress(OSError):  # a cache that can only be read is one too
                os.utime(entry)
            return tensors
    tensors = make()
    with suppress(OSError):
        _keep(save(tensors), entry)
    return tensors


def _keep(content: bytes, entry: Path) -> None:
    """Write an entry whole or not at all: two runs may do so at once. What a run left half-written ages like any other."""
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
