"""Several processes that train together, forked from a test: they have what it has imported, and one thread each."""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

import mtk
from mtk.engine.gradients import Engine, Outcome
from mtk.engine.processes import Processes, joined, meeting_point

PATIENCE = 100  # seconds


SETTINGS: dict[str, Any] = {
    "combiner": "pcgrad",
    "dropout": 0.0,
    "batch_size": 10,
    "max_length": 32,
    "learning_rate": 1e-3,
    "device": "cpu",
    "precision": "fp32",
    "checkpoint_every": "3",
}
"""Of a short run on the tiny corpus, beside its data and its encoder."""


class Heard:
    """A listener that keeps the plans of the runs that begin."""

    def __init__(self) -> None:
        self.plans: list[mtk.Plan] = []

    @mtk.hookimpl
    def mtk_run_started(self, plan: mtk.Plan) -> None:
        self.plans.append(plan)


@contextmanager
def one_thread() -> Iterator[None]:
    """As each of several processes has; and what is forked meanwhile has no threads to wait for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def losses_heard(engine: Engine) -> list[Tensor]:
    """The losses [T] of each step that the engine makes from now on, as they come."""
    losses: list[Tensor] = []
    backward = engine.backward

    def heard(*given: Any) -> Outcome:
        outcome = backward(*given)
        losses.append(outcome.losses)
        return outcome

    engine.backward = heard  # type: ignore[method-assign]
    return losses


def without_dropout(encoder: Path, directory: Path) -> Path:
    """A copy of an encoder, in a directory that is there: what dropout drops depends on who draws."""
    for file in encoder.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    config = json.loads((encoder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def weights(run: Path) -> dict[str, Tensor]:
    """Of the model that a run kept, by file and name."""
    heads = sorted((run / "model" / "heads").iterdir())
    files = [run / "model" / "encoder" / "model.safetensors", *heads]
    return {f"{file.name} {name}": value for file in files for name, value in safetensors.torch.load_file(file).items()}


def same(one: Path, other: Path) -> None:
    """Two runs kept the same model, but for rounding."""
    torch.testing.assert_close(weights(one), weights(other), atol=1e-5, rtol=1e-3)


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
    store.add("begun", 1)  # so that the store's thread is at rest, and holds no lock that a fork would keep
    context = get_context("fork")
    all_there = context.Event()
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(count),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    children = [
        context.Process(target=_work, args=(work, {**environment, "RANK": str(rank)}, sent, all_there))
        for rank, (_, sent) in enumerate(pipes)
    ]
    for process, (_, sent) in zip(children, pipes, strict=True):
        process.start()
        sent.close()
    all_there.set()
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


def _work(work: Callable[[], Any], environment: dict[str, str], sent: Connection, all_there: Any) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # says where it waits
    all_there.wait()
    try:
        sent.send_bytes(pickle.dumps((work(), None)))
    except BaseException:
        sent.send_bytes(pickle.dumps((None, traceback.format_exc())))
