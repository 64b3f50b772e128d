"""What is free goes back to the system, though something that is in use lies above it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from mtk.engine.allocator import give_back


def _megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_what_is_free_below_what_is_used_goes_back() -> None:
    blocks = [bytearray(b"x" * 100_000) for _ in range(1_000)]
    kept = bytearray(b"x" * 1_000)
    held = _megabytes()
    blocks.clear()
    give_back()
    assert _megabytes() < held - 80
    assert len(kept) == 1_000
