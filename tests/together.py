"""Several processes that train together, forked from a test: they have what it has imported, and one thread each."""

from __future__ import annotations

import faulthandler
import os
import pickle
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from mtk.engine.processes import Processes, joined, meeting_point

PATIENCE = 100  # seconds


def together(count: int, work: Callable[[Processes], Any]) -> list[Any]:
    """What `work` gives in each of them, by rank, when they have joined. Raises AssertionError with what went wrong in
    one."""

    def joining() -> Any:
        with joined(torch.device("cpu")) as processes:
            return work(processes)

    return started(count, joining)


def started(count: int, work: Callable[[], Any]) -> list[Any]:
    """The same of processes that are as torchrun starts them: to join is theirs."""
    store = meeting_point()
    context = get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(count),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    children = [
        context.Process(target=_work, args=(work, {**environment, "RANK": str(rank)}, sent))
        for rank, (_, sent) in enumerate(pipes)
    ]
    for process, (_, sent) in zip(children, pipes, strict=True):
        process.start()
        sent.close()
    answers = []
    try:
        for rank, (received, _) in enumerate(pipes):
            assert received.poll(2 * PATIENCE), f"process {rank} says nothing"
            try:
                answers.append(pickle.loads(received.recv_bytes()))
            except EOFError:
                answers.append((None, "it ended and said nothing"))
    finally:
        for process in children:
            process.kill()
            process.join()
    failures = [f"process {rank}: {failure}" for rank, (_, failure) in enumerate(answers) if failure]
    assert not failures, min(failures, key=lambda text: "LostProcessError" in text)  # of which another one is the cause
    return [given for given, _ in answers]


def _work(work: Callable[[], Any], environment: dict[str, str], sent: Connection) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # says where it waits
    try:
        sent.send_bytes(pickle.dumps((work(), None)))
    except BaseException:
        sent.send_bytes(pickle.dumps((None, traceback.format_exc())))
