"""`mtk run --nproc N`: the same command in N processes on this machine, which find one another as under torchrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from mtk.errors import INTERRUPTED, SIGNALS, MtkError

POLL = 0.1  # seconds
PATIENCE = 10.0, 30.0  # seconds that the others have to end by themselves, once one has failed; and then after a SIGTERM


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run `mtk` with these arguments in so many processes, and give the exit status of the run: that of the process which
    failed first, if one did. What went wrong is told by one of them. Raises MtkError where none could."""
    from mtk.engine.processes import is_told, meeting_point

    store = meeting_point()
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # torch's word for a store that is here, and not in the first process
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // count)),
    }
    children = [
        subprocess.Popen(
            command(arguments),
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            start_new_session=True,  # a signal comes to each once: from here
        )
        for rank in range(count)
    ]
    with _passing_on(children):
        failed = _first_to_fail(children)
        if failed is None:
            return 0
        for patience, number in zip(PATIENCE, (signal.SIGTERM, signal.SIGKILL), strict=True):
            _wait(children, patience)
            _send(children, number)
        _wait(children, None)
    if children[0].returncode == INTERRUPTED:  # it writes and tells, and has: another may hear of it when all is done
        return INTERRUPTED
    status = children[failed].returncode
    if status < 0 and not is_told(store):
        raise MtkError(f"Process {failed} of the run was ended by {signal.Signals(-status).name}, and so are the others.")
    return status if status > 0 else MtkError.exit_code


def command(arguments: Sequence[str]) -> list[str]:
    """What a process is started with."""
    return [sys.executable, "-m", "mtk", *arguments]


def _first_to_fail(children: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait for the first of them that fails, or for all of them."""
    while True:
        statuses = [child.poll() for child in children]
        failed = [rank for rank, status in enumerate(statuses) if status]
        if failed:
            return min(failed, key=lambda rank: (statuses[rank] or 0) > 0)  # one that was killed did not follow another
        if None not in statuses:
            return None
        time.sleep(POLL)


def _wait(children: Sequence[subprocess.Popen[bytes]], patience: float | None) -> None:
    end = None if patience is None else time.monotonic() + patience
    while any(child.poll() is None for child in children) and (end is None or time.monotonic() < end):
        time.sleep(POLL)


def _send(children: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)


@contextmanager
def _passing_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """What asks this process to end asks them."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        _send(children, number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        _send(children, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)
