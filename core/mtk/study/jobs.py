"""A sweep by several processes of this machine. Each claims cells as any process does, and tells of them through a pipe; one
that is killed is told, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from mtk.errors import INTERRUPTED, SIGNALS, MtkError
from mtk.events import Result
from mtk.study.cells import Cell
from mtk.study.sweep import Begun, Failed, Left, Tell, Told, work


def work_in_processes(sweep: Path, cells: Sequence[Cell], tell: Tell, jobs: int) -> bool:
    """`sweep.work` by so many processes, with the machine's cores shared out. Whether all came to the end: not where a
    signal ended them, which is passed on."""
    context = multiprocessing.get_context("spawn")  # a fork has torch's threads, which do not survive it
    processes: dict[Connection, BaseProcess] = {}
    interrupted = _Passed(processes.values())
    with interrupted:
        for _ in range(jobs):
            ours, theirs = context.Pipe(duplex=False)
            threads = max(1, (os.cpu_count() or 1) // jobs)
            process = context.Process(target=_work, args=(theirs, sweep, list(cells), threads))
            process.start()
            theirs.close()
            processes[ours] = process
        complete = _hear(processes, tell, interrupted)
    return complete and not interrupted.happened


def _hear(processes: dict[Connection, BaseProcess], tell: Tell, interrupted: _Passed) -> bool:
    """Tell what the processes tell until they end. Whether no signal ended one. Each passes over the cells that others are
    at work in or have done: of those only what they tell counts. Raises MtkError for one that ended before a cell."""
    at_work: dict[Connection, Cell] = {}
    heard_of: set[str] = set()
    complete, waiting = True, dict(processes)
    while waiting:
        for pipe in wait(list(waiting)):
            assert isinstance(pipe, Connection)
            try:
                cell, told = pipe.recv()
            except (EOFError, OSError):
                process = waiting.pop(pipe)
                process.join()
                complete &= process.exitcode != INTERRUPTED
                if process.exitcode in (0, INTERRUPTED) or interrupted.happened:
                    continue
                if pipe not in at_work:
                    raise MtkError(
                        f"A process of the sweep ended {_how(process.exitcode)}, before it was at work."
                    ) from None
                tell(at_work[pipe], Failed(f"its process ended {_how(process.exitcode)}"))
                continue
            if isinstance(told, Left) and cell.directory in heard_of:
                continue
            match told:
                case Begun():
                    at_work[pipe] = cell
                case Result() | Failed():
                    del at_work[pipe]
            heard_of.add(cell.directory)
            tell(cell, told)
    return complete


def _work(pipe: Connection, sweep: Path, cells: list[Cell], threads: int) -> None:
    """What a process does."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)  # a run hears them itself, while it trains
    parent = multiprocessing.parent_process()

    def tell(cell: Cell, told: Told) -> None:
        with suppress(OSError):  # whoever started it is gone
            pipe.send((cell, told))

    def goes_on() -> bool:
        return parent is None or parent.is_alive()

    try:
        import torch

        torch.set_num_threads(threads)
        complete = work(sweep, cells, tell, goes_on=goes_on)
    except KeyboardInterrupt:
        complete = False
    raise SystemExit(0 if complete else INTERRUPTED)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _how(status: int | None) -> str:
    """How a process ended, in words."""
    if status is not None and status < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-status).name}" + (", as for want of memory" if status == -signal.SIGKILL else "")
    return f"with exit status {status}"


class _Passed:
    """As a context manager it hears the signals that end a run, and passes them on to these processes."""

    def __init__(self, processes: Any) -> None:
        self._processes = processes
        self._before: dict[int, Any] = {}
        self.happened = False

    def __enter__(self) -> None:
        with suppress(ValueError):  # outside of the main thread, where Python hears none
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: object) -> None:
        self.happened = True
        for process in list(self._processes):
            if process.pid is not None and process.is_alive() and not (number == signal.SIGINT and _has_terminal()):
                with suppress(OSError):
                    os.kill(process.pid, number)


def _has_terminal() -> bool:
    """Whether Ctrl-C reaches every process of the terminal anyway: a second signal would not let them save."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
