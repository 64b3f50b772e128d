"""The processes that train one model together, each on its share of every step.

How many there are decides nothing. A step's examples are drawn as one process would draw them, each process takes some of
them, and what these come to is summed: losses, gradients, Gramians. So all make the same step of the same weights, and what
a combiner draws at random is drawn alike. With one process nothing is sent, and nothing is asked.

torch.distributed carries it: NCCL between GPUs, gloo between CPUs and for what hosts tell one another. Who started the
processes, torchrun or `mtk run --nproc`, is no matter: they find one another by the environment that torchrun makes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from mtk import launched
from mtk.errors import LostProcessError, MtkError, UsageError

T = TypeVar("T")

MEETING = timedelta(seconds=60)  # for which one waits for another on this machine
FEWEST = 2  # examples of a task that a process takes, or none: a head that normalises over them cannot do with one


class Processes:
    """`count` processes, of which this one is number `rank`, counted from 0. The first one alone writes and tells.

    What is offered to all is to be called by all, in one order. Raises LostProcessError where one of them has ended.
    """

    sharded = False
    """Whether each holds a part of the encoder, and all have to call it together: see `mtk.engine.sharding`."""

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.count = rank, count
        self._device = device or torch.device("cpu")
        self._now = time.perf_counter()

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    # What is summed, on the device ---------------------------------------------------------------------------------------

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Let each tensor be the sum of all processes', with one all-reduce."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with _reached():
            dist.all_reduce(flat)
        for tensor, summed in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(summed.view_as(tensor))

    def sum_gradients(self, parameters: Sequence[nn.Parameter], *more: Tensor) -> None:
        """Let the gradients of these parameters, and what `more` there is, be the sums of all processes'. A parameter that
        no process has a gradient for keeps none."""
        if self.count == 1:
            return
        touched = self.gathered([number for number, p in enumerate(parameters) if p.grad is not None])
        self.sum([*more, *filled([parameters[number] for number in sorted(set().union(*touched))])])

    def own(self, length: int) -> slice:
        """Which stretch of so many numbers, a multiple of `count`, this process sums."""
        return slice(self.rank * length // self.count, (self.rank + 1) * length // self.count)

    def scatter(self, row: Tensor) -> None:
        """Let the own stretch of `row` [n] be the sum of all processes'; the rest of it is left as it may be.

        gloo's own reduce-scatter is an all-reduce, of twice the traffic; so each stretch is sent to whom it belongs.
        """
        if self.count == 1:
            return
        own = row[self.own(len(row))]
        with _reached():
            if row.device.type == "cuda":
                summed = torch.empty_like(own)
                _reduce_scatter(summed, row)
                own.copy_(summed)
            else:
                received = torch.empty_like(row)
                dist.all_to_all_single(received, row)
                torch.sum(received.view(self.count, -1), dim=0, out=own)

    def gather(self, row: Tensor) -> None:
        """Let all of `row` [n] be known: each stretch as the process has it that owns it."""
        if self.count > 1:
            with _reached():
                _all_gather(row, row[self.own(len(row))].clone())

    def stacked(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, of one shape, by rank: [count, *shape]."""
        if self.count == 1:
            return tensor.unsqueeze(0)
        found = tensor.new_empty(self.count * tensor.numel())
        with _reached():
            _all_gather(found, tensor.flatten())
        return found.view(self.count, *tensor.shape)

    # What hosts tell one another: nothing waits for a device ---------------------------------------------------------------

    def gathered(self, mine: T) -> list[T]:
        """What each process has to say, by rank."""
        if self.count == 1:
            return [mine]
        found: list[Any] = [None] * self.count
        with _reached():
            dist.all_gather_object(found, mine)
        return found

    def together(self, work: Callable[[], T]) -> list[T]:
        """What `work` gives in each process, by rank. A mistake that one message explains, or Ctrl-C, in one of them is
        raised in all, when all are through with theirs."""
        if self.count == 1:
            return [work()]
        return [_raised(answer) for answer in self.gathered(_answer(work))]

    def first(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, which alone does it; what it raises is raised in all, as above."""
        if self.count == 1:
            return work()
        answer = [_answer(work) if self.is_first else None]
        with _reached():
            dist.broadcast_object_list(answer, src=0)
        found: T = _raised(answer[0])
        return found

    def any(self, mine: bool) -> bool:
        """Whether it is so in one of them. They also agree on the time."""
        if self.count == 1:
            return mine
        told = torch.tensor([float(mine), time.perf_counter() if self.is_first else float("-inf")], dtype=torch.float64)
        with _reached():
            dist.all_reduce(told, dist.ReduceOp.MAX)
        self._now = float(told[1])
        return bool(told[0])

    def now(self) -> float:
        """Seconds on the first process's clock: where all decide by time, they decide alike. With several, it stands still
        between two calls of `any`."""
        return time.perf_counter() if self.count == 1 else self._now

    # What each takes -------------------------------------------------------------------------------------------------------

    def share(self, examples: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Those of a step's examples, by task, that this process takes: every n-th, since neighbours are of like length. A
        task with few is shared by few processes, and the next task's begin after them; tasks of the same examples, which
        may be read alike, have the same."""
        begins, first = dict[tuple[int, ...], int](), 0
        own = {}
        for task, numbers in examples.items():
            takers = self._takers(len(numbers))
            begin = begins.setdefault(tuple(numbers), first)
            first += takers if begin == first else 0
            place = (self.rank - begin) % self.count
            own[task] = list(numbers[place::takers]) if place < takers else []
        return own

    def shared_out(self, examples: int) -> set[int]:
        """How many of so many examples of a task the processes take that take some."""
        takers = self._takers(examples)
        return {examples // takers, -(-examples // takers)}

    def _takers(self, examples: int) -> int:
        return max(1, min(self.count, examples // FEWEST))

    @contextmanager
    def draws(self, *what: object) -> Iterator[None]:
        """What is drawn at random in here is this process's own, decided by the run's seed, by `what`, and by the rank;
        outside of it, all draw alike. One process draws as it would anyway."""
        if self.count == 1:
            yield
            return
        seed = Random(f"{torch.initial_seed()} {what} {self.rank}").getrandbits(63)
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield


ALONE = Processes()


def filled(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Their gradients; zeros from now on, where one has none."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients


def place_in(device: torch.device) -> torch.device:
    """The device of this process, where a run is on such as `device`: each on a machine has a GPU of its own. Raises
    UsageError for a GPU by its number, which several cannot share."""
    if device.type != "cuda" or launched.processes() == 1:
        return device
    if device.index is not None:
        raise UsageError(f"--device {device} is one GPU, and this run has several processes. Use --device cuda.")
    own, there = launched.place(), torch.cuda.device_count()
    if own >= there:
        raise UsageError(f"There are more processes than GPUs on this machine, which has {there}: a process needs one.")
    return torch.device("cuda", own)


@contextmanager
def joined(device: torch.device, of: type[Processes] = Processes) -> Iterator[Processes]:
    """The processes that were started together with this one, which is on `device`, as such `of` this class; itself alone,
    where there are none. Of an MtkError that leaves the block, one of them is found to tell it."""
    if launched.processes() == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store, rank, size = next(rendezvous("env://"))
    # torchrun keeps the store when it starts processes again, and with it the addresses of those that are gone
    own = PrefixStore(f"mtk {launched.restarts()} {next(_joinings)}", store)
    try:
        with _group(own, rank, size, device, of) as processes:
            yield processes
    except (MtkError, RuntimeError) as error:
        told = error if isinstance(error, MtkError) else lost(error)
        if told is None:
            raise
        with suppress(RuntimeError):  # the store was in a process that is gone
            told.is_told_here = store.add(_told(), 1) == 1
        raise told from error.__cause__ if told is error else error


@contextmanager
def meeting(port: int, rank: int, count: int) -> Iterator[Processes]:
    """So many processes on this machine's CPU, which meet where one of them has a store."""
    store = TCPStore("127.0.0.1", port, is_master=False, timeout=MEETING)
    with _group(store, rank, count, torch.device("cpu")) as processes:
        yield processes


def meeting_point() -> TCPStore:
    """A store in this process, where others on this machine can meet: at its `port`."""
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


@contextmanager
def _group(
    store: Store, rank: int, count: int, device: torch.device, of: type[Processes] = Processes
) -> Iterator[Processes]:
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with _reached():
        dist.init_process_group(backend, store=store, rank=rank, world_size=count)
    try:
        processes = of(rank, count, device)
        processes.any(False)
        yield processes
    finally:
        dist.destroy_process_group()


_joinings = count()  # one script may make several runs


def is_told(store: Store) -> bool:
    """Whether one of the processes that met there has told, or tells, why they end."""
    return bool(store.add(_told(), 0))


def _told() -> str:
    return f"mtk told {launched.restarts()}"


def _answer(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return work(), None
    except LostProcessError:
        raise
    except MtkError as error:
        return None, error
    except KeyboardInterrupt as error:
        if type(error) is not KeyboardInterrupt:  # a second one, which does not wait
            raise
        return None, error


def _raised(answer: Any) -> Any:
    value, error = answer
    if error is not None:
        raise error
    return value


@contextmanager
def _reached() -> Iterator[None]:
    """torch tells of a process that has ended by a RuntimeError, in the words of gloo, of NCCL, or of its store."""
    try:
        yield
    except RuntimeError as error:
        raise lost(error) or _lost(" ".join(str(error).split())[:200]) from error


def lost(error: BaseException) -> LostProcessError | None:
    """What an error says of a process that has ended, wherever in a step torch came to miss it; None of another error."""
    if isinstance(error, LostProcessError):
        return error
    words = re.search(r"Connection [a-z ]+\w|[Tt]imed out[a-z ]*", str(error)) if isinstance(error, RuntimeError) else None
    return _lost(words[0]) if words else None


def _lost(reason: str) -> LostProcessError:
    return LostProcessError(f"Another process of this run has ended, or cannot be reached ({reason}).")


# by the names that torch has for them from 2.13 on, or by those of before
_reduce_scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
