"""What this process was told by whoever started it together with others: torchrun, or `mtk run --nproc`. It is read from the
environment that torchrun makes, and needs no torch.
"""

from __future__ import annotations

import os


def processes() -> int:
    """How many make one run; 1 for a process by itself."""
    is_whole = all(os.environ.get(name) for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"))
    return _number("WORLD_SIZE", 1) if is_whole else 1


def is_first() -> bool:
    """Whether this is the one that writes and tells."""
    return processes() == 1 or _number("RANK", 0) == 0


def place() -> int:
    """Its number on its machine, counted from 0."""
    return _number("LOCAL_RANK", 0)


def restarts() -> int:
    """How often torchrun has started the processes again, since one of them died."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0)


def most_restarts() -> int:
    """How often it may do so."""
    return _number("TORCHELASTIC_MAX_RESTARTS", 0)


def _number(name: str, otherwise: int) -> int:
    told = os.environ.get(name, "")
    return int(told) if told.isdecimal() else otherwise
