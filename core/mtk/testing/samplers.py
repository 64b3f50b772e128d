"""What every sampler promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A sampler is called as a run does it: before every step, by the names of its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from mtk.calling.arguments import named
from mtk.sampler import Sampler
from mtk.testing.check import Check, Subject
from mtk.testing.processes import elsewhere, reachable
from mtk.testing.randomness import global_generators


@dataclass(frozen=True)
class Turn:
    """The tasks of a step, and how far the run is."""

    sizes: tuple[int, ...]  # of the tasks' training sets
    batch_sizes: tuple[int, ...]
    batch: int  # the examples of the whole step
    step: int
    seed: int

    STEPS, EPOCHS = 60, 6

    def offered(self, *, backwards: bool = False) -> dict[str, Any]:
        """The arguments of `examples`."""
        tasks = [f"task{number}" for number in range(len(self.sizes))]
        sizes, batch_sizes = (list(zip(tasks, values, strict=True)) for values in (self.sizes, self.batch_sizes))
        if backwards:
            sizes, batch_sizes = sizes[::-1], batch_sizes[::-1]
        return {
            "sizes": dict(sizes),
            "batch_sizes": dict(batch_sizes),
            "batch": self.batch,
            "progress": self.step / self.STEPS,
            "epoch": self.step * self.EPOCHS // self.STEPS + 1,
            "epochs": self.EPOCHS,
            "rng": Random(f"{self.seed} {self.step}"),
        }

    def __str__(self) -> str:
        return f"training sets of {', '.join(map(str, self.sizes))}, {self.batch} examples, step {self.step} of {self.STEPS}"


MOST = 8  # tasks: so many have other orders of their hashes in another process, where two may well have the same


def turns(*, tasks: int = 1) -> st.SearchStrategy[Turn]:
    """Of at least so many tasks; their training sets have from 2 to a million examples."""

    def of(count: int) -> st.SearchStrategy[Turn]:
        sizes = st.tuples(*[st.one_of(st.integers(2, 50), st.integers(2, 10**6))] * count)
        batches = st.tuples(*[st.sampled_from([2, 8, 16, 64])] * count)
        return st.builds(
            lambda sizes, each, step, seed: Turn(sizes, each, sum(each), step, seed),
            *(sizes, batches, st.integers(0, Turn.STEPS - 1), st.integers(0, 99)),
        )

    return st.integers(tasks, MOST).flatmap(of)


def counts(subject: Subject, turn: Turn) -> str | None:
    """For tasks of the turn it gives whole numbers, 0 or more, and not 0 for all."""
    given = examples(subject.build(), turn)
    tasks = turn.offered()["sizes"]
    fit = isinstance(given, Mapping) and given.keys() <= tasks.keys() and any(given.values())
    fit = fit and all(type(count) is int and count >= 0 for count in given.values())
    return None if fit else f"{given!r}"


def every_task(subject: Subject, turn: Turn) -> str | None:
    """In a whole run every task gets examples: one that never does is not learned."""
    sampler, left = subject.build(), set(turn.offered()["sizes"])
    few = Turn(tuple(min(size, 50) for size in turn.sizes), turn.batch_sizes, turn.batch, 0, turn.seed)
    for step in range(Turn.STEPS):
        given = examples(sampler, Turn(few.sizes, few.batch_sizes, few.batch, step, few.seed))
        left -= {task for task, count in given.items() if count}
    return f"nothing for {', '.join(sorted(left))} in {Turn.STEPS} steps" if left else None


def task_order(subject: Subject, turn: Turn) -> str | None:
    """The order in which the tasks stand in a file changes nothing."""
    one, other = examples(subject.build(), turn), examples(subject.build(), turn, backwards=True)
    return None if _nonzero(one) == _nonzero(other) else f"{dict(one)}, and with the tasks backwards {dict(other)}"


def no_memory(subject: Subject, turn: Turn) -> str | None:
    """Nothing is kept between two steps, which a run that is resumed would not know: after others, and from a fresh
    instance, a step is the same."""
    sampler = subject.build()
    first = examples(sampler, turn)
    for step in range(5):
        examples(sampler, Turn(turn.sizes, turn.batch_sizes, turn.batch, step, turn.seed + 1))
    after, fresh = examples(sampler, turn), examples(subject.build(), turn)
    if not _nonzero(first) == _nonzero(after) == _nonzero(fresh):
        return f"{dict(first)}, then {dict(after)}, and from a fresh one {dict(fresh)}"
    return None


def only_its_rng(subject: Subject, turn: Turn) -> str | None:
    """Its randomness comes from `rng`: global generators neither matter nor move."""
    found = []
    for seed in (0, 1):
        with global_generators(seed) as moved:
            found.append(_nonzero(examples(subject.build(), turn)))
            if seen := moved():
                return seen
    return None if found[0] == found[1] else f"{found[0]}, and with other global generators {found[1]}"


def inputs_kept(subject: Subject, turn: Turn) -> str | None:
    """What it is given stays as it is."""
    offered = turn.offered()
    before = {name: dict(offered[name]) for name in ("sizes", "batch_sizes")}
    sampler = subject.build()
    sampler.examples(**named(type(sampler).examples, offered))
    changed = [name for name, value in before.items() if offered[name] != value]
    return f"`{changed[0]}` was changed" if changed else None


def any_process(subject: Subject, turn: Turn) -> str | None:
    """The same seed gives the same in another process, whose strings hash otherwise."""
    here = told(subject, turn)
    there, failed = elsewhere(told, subject, turn)
    return failed or (None if here == there else f"{here}, and in another process {there}")


def checks(subject: Subject) -> list[Check]:
    several = turns(tasks=2)
    return [
        Check(subject, counts, turns(), tries=60),
        Check(subject, every_task, turns(), tries=5),
        Check(subject, task_order, several),
        Check(subject, no_memory, several),
        Check(subject, only_its_rng, several),
        Check(subject, inputs_kept, several),
        *([Check(subject, any_process, turns(tasks=MOST), tries=5)] if reachable(subject) else []),
    ]


def examples(sampler: Sampler, turn: Turn, *, backwards: bool = False) -> Mapping[str, int]:
    return sampler.examples(**named(type(sampler).examples, turn.offered(backwards=backwards)))


def told(subject: Subject, turn: Turn) -> dict[str, int]:
    """What it gives, as another process can say it."""
    return _nonzero(examples(subject.build(), turn))


def _nonzero(given: Mapping[str, int]) -> dict[str, int]:
    return {task: count for task, count in sorted(given.items()) if count}
