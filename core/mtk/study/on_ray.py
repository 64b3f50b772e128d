"""A sweep on a Ray cluster (Moritz et al. 2018, https://arxiv.org/abs/1712.05889): each cell is a task of Ray, which finds a
machine with the cores and GPUs that it needs, and another one where that was lost.

There a cell is claimed, begun or gone on with as by any process of a sweep, so the directory has to be one that all machines
share. What cells tell comes back through an actor beside the driver.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mtk.errors import MtkError, UsageError, in_words
from mtk.events import Result
from mtk.study.cells import Cell, is_sweep
from mtk.study.record import read_run
from mtk.study.sweep import Begun, Failed, Left, Lost, Tell, Told, is_done, precision_on, work

RETRIES = 3  # of a cell whose worker was lost
_OFTEN = 0.25  # seconds between two looks at what cells tell, which is how often a table is drawn


class _Ended(Exception):  # noqa: N818, of Ray's words for it
    """A worker that was told to end, as one that is taken back is: its run is saved, and goes on elsewhere."""


class Cluster:
    """A Ray cluster that this process is connected to, and what each cell needs there: so many `cpus`, and so many `gpus`,
    or a part of one, unless its device is the CPU; None is one where the cluster has any."""

    def __init__(self, ray: Any, cpus: int, gpus: float | None) -> None:
        self._ray, self._cpus, self._gpus = ray, cpus, gpus

    def precision_on(self, device: str) -> str:
        """The precision of cells on such a device, which is chosen where they will run. Raises UsageError."""
        answer = self._ray.remote(_caught).options(**self._needs(device)).remote(precision_on, device)
        found, error = self._ray.get(answer)
        if error is not None:
            raise error
        return str(found)

    def lacks(self, cells: Sequence[Cell]) -> list[str]:
        """A line for the needs that no machine has now: cells wait for one that has, which a cluster that grows may get."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        lines = []
        for device in sorted({str(cell.settings["device"]) for cell in cells}):
            needs = self._needs(device)
            cpus, gpus = needs["num_cpus"], needs["num_gpus"]
            if not any(has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus for has in machines):
                lines.append(f"no machine of the cluster has {cpus} CPU and {gpus:g} GPU, so cells wait until one comes")
        return lines

    def work(self, sweep: Path, cells: Sequence[Cell], tell: Tell) -> bool:
        """`sweep.work` by the cluster. Whether it came to the end: not where a signal ended it; then runs are saved."""
        from mtk.training.interruption import Interruption

        ray, by_name = self._ray, {cell.directory: cell for cell in cells}
        beside = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        restarted = {"max_restarts": -1, "max_task_retries": -1}  # Ray ends whatever it likes where memory runs short
        inbox = ray.remote(_Inbox).options(num_cpus=0, scheduling_strategy=beside, **restarted).remote()
        task = ray.remote(max_retries=RETRIES, retry_exceptions=[_Ended])(_work)
        place, here = sweep.absolute(), Path.cwd()
        tasks = {
            task.options(**self._needs(cell.settings["device"])).remote(inbox, place, cell, here, self._cpus): cell
            for cell in cells
        }
        hearing = _Hearing(ray, inbox, place, by_name, tell)
        with Interruption() as interruption:
            try:
                hearing.until_done(tasks, interruption.check_here)
            except KeyboardInterrupt:
                interruption.is_ending = hearing.is_ending = True
                for reference in tasks:
                    ray.cancel(reference)
                hearing.until_done(tasks)
                return False
        return True

    def _needs(self, device: str) -> dict[str, Any]:
        if device.startswith("cuda:"):
            raise UsageError(f"--device {device} is one GPU of one machine: on Ray, which gives each cell one, say cuda.")
        if device == "auto" and self._gpus is None:
            return {"num_cpus": self._cpus, "num_gpus": int(self._ray.cluster_resources().get("GPU", 0) > 0)}
        gpus = 0 if device == "cpu" else 1 if self._gpus is None else self._gpus
        return {"num_cpus": self._cpus, "num_gpus": gpus}


@contextmanager
def connected(on: str, cpus: int, gpus: float | None) -> Iterator[Cluster]:
    """The cluster that `on` names: `ray`, which is the one in RAY_ADDRESS, or one that runs here, or else this machine by
    itself; or `ray://HOST:PORT`, for a driver that is no part of it. Raises UsageError where there is none, and without
    Ray."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise UsageError("--on ray needs Ray: pip install 'multitask-toolkit[ray]'.") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a machine by itself sends nothing to anybody
    try:
        with warnings.catch_warnings(action="ignore"):  # what they say is in the error
            ray.init(address=on if "://" in on else None, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of several kinds: no host, nobody there, another version
        raise UsageError(
            f"--on {on}: the cluster cannot be reached ({in_words(error)}). Is it there, with the same version of Ray? "
            f"Is this process told its token, if it has one, by RAY_AUTH_MODE=token and RAY_AUTH_TOKEN?"
        ) from error
    try:
        yield Cluster(ray, cpus, gpus)
    finally:
        ray.shutdown()


class _Hearing:
    """Tells what cells tell."""

    def __init__(self, ray: Any, inbox: Any, sweep: Path, cells: dict[str, Cell], tell: Tell) -> None:
        self._ray, self._inbox, self._sweep, self._cells, self._tell = ray, inbox, sweep, cells, tell
        self._at_work: set[str] = set()
        self.is_ending = False  # since a signal was heard: then a task that was left off is none that failed

    def until_done(self, tasks: dict[Any, Cell], check: Callable[[], object] = lambda: None) -> None:
        """Until these tasks are done, which are taken out of `tasks`. `check` may raise in between."""
        while tasks:
            check()
            done, _ = self._ray.wait(list(tasks), num_returns=len(tasks), timeout=_OFTEN)
            for name, told in self._ray.get(self._inbox.take.remote()):
                self._hear(self._cells[name], told)
            for reference in done:
                self._end(tasks.pop(reference), reference)

    def _hear(self, cell: Cell, told: Told) -> None:
        match told:
            case Begun():
                if cell.directory in self._at_work:
                    self._tell(cell, Lost())
                self._at_work.add(cell.directory)
            case Left() | Failed() | Result(interrupted=False):
                self._at_work.discard(cell.directory)
        self._tell(cell, told)

    def _end(self, cell: Cell, reference: Any) -> None:
        try:
            self._ray.get(reference)
            if cell.directory in self._at_work and is_done(self._sweep, cell):  # what it told last was lost with the inbox
                self._tell(cell, Left("done", read_run(cell.path(self._sweep))))
        except self._ray.exceptions.TaskCancelledError:
            pass
        except _Ended:
            if not self.is_ending:
                self._tell(cell, Failed(f"its worker was told to end {RETRIES + 1} times; the same command goes on with it"))
        except self._ray.exceptions.RayTaskError as error:
            self._tell(cell, Failed(f"it cannot be run there: {in_words(error.cause)}"))
        except self._ray.exceptions.RayError as error:
            why = " ".join(str(error).split()).partition(". ")[0]
            self._tell(cell, Failed(f"its worker was lost {RETRIES + 1} times: {why}"))


class _Inbox:
    """What cells have told since it was last looked at, in the cluster."""

    def __init__(self) -> None:
        self._told: list[tuple[str, Told]] = []

    def tell(self, cell: str, told: Told) -> None:
        self._told.append((cell, told))

    def take(self) -> list[tuple[str, Told]]:
        told, self._told = self._told, []
        return told


def _work(inbox: Any, sweep: Path, cell: Cell, here: Path, threads: int) -> None:
    """What a worker does: one cell. Paths in its settings count from where the command was given."""
    import ray
    import torch

    with suppress(OSError):  # no such folder there; a path that counts from it is missed by the run then, which says so
        os.chdir(here)
    torch.set_num_threads(threads)
    sent: list[Any] = []

    def tell(cell: Cell, told: Told) -> None:
        sent[:] = [inbox.tell.remote(cell.directory, told)]

    if is_sweep(sweep):
        complete = work(sweep, [cell], tell)
    else:
        complete = True
        tell(
            cell, Failed(f"{socket.gethostname()} has no {sweep}: a sweep on Ray is in a directory that all machines share")
        )
    ray.get(sent)  # what was told last is there before the task ends
    if not complete:
        raise _Ended


def _caught(function: Callable[[str], str], argument: str) -> tuple[str | None, MtkError | None]:
    """What it gives, or the mistake that one message explains: what a task raises, Ray wraps."""
    try:
        return function(argument), None
    except MtkError as error:
        return None, error
