"""Ctrl-C, SIGTERM and SIGHUP while a run trains.

Each is a KeyboardInterrupt, raised where the run can be left: after a step, between two batches of an evaluation, when a
model is written. Raised wherever it came, it would be swallowed now and then, by a library that is being imported or by
whatever calls Python from C, and the run would go on. A second one does not wait.

Of several processes one may hear it long before another: they leave the run together, at the first place where they agree
that one of them has heard it. What comes to another then is its first, and not a second one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from mtk.engine.processes import ALONE, Processes
from mtk.errors import SIGNALS


class AtOnce(KeyboardInterrupt):
    """The second signal: nothing more is saved."""


class Interruption:
    """As a context manager it hears the signals. Outside of the main thread, where Python hears none, it does nothing.
    `is_ending` is set, by all processes, where the run is left for a signal: from there on none asks for it any more."""

    def __init__(self, processes: Processes = ALONE) -> None:
        self._processes = processes
        self._before: dict[int, Any] = {}
        self._asked, self._has_heard = False, False
        self.is_ending = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if error is None and not self.is_ending:
            self.check()

    def check(self) -> None:
        """Here the run can be left, by all processes. Raises KeyboardInterrupt if a signal asked one of them for it."""
        if self._processes.any(self._asked):
            self._asked = False
            raise KeyboardInterrupt

    def check_here(self) -> None:
        """Here this process can leave what it does: the others learn it by what `Processes.together` makes of that."""
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    @contextmanager
    def waits(self) -> Iterator[None]:
        """What is done in here is done to its end, and then the run can be left."""
        yield
        self.check()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._has_heard:
            raise AtOnce
        self._asked = self._has_heard = True
