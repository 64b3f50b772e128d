"""What a test asks another process, which has to be able to import it."""

from __future__ import annotations

import os

from mtk.testing.check import Subject


class Part:
    """Something to be found in another process."""


def where(subject: Subject, example: str) -> tuple[int, str, str]:
    return os.getpid(), subject.component.__name__, f"{example} {hash(example)}"


def fails(subject: Subject, example: str) -> None:
    raise ValueError(example)


def ends(subject: Subject, example: str) -> None:
    os._exit(3)
