"""Which examples make a batch: of like length, so that little is padding, and in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

import msgspec

T = TypeVar("T")

# Examples are sorted by length within groups of so many batches: large enough that a batch holds like lengths, small
# enough that every pass makes other batches. On the CS224N tasks at batch size 16 padding is then below 5 %.
GROUP = 50


class Place(msgspec.Struct, frozen=True):
    """How far batches have come: all that it takes to go on from there."""

    generator: tuple[int, tuple[int, ...], float | None]  # the state of Python's Random at the beginning of the pass
    given: int  # batches of the pass
    used: int = 0  # examples of the next one
    window: int = 0  # of the pass, where it is made of several (`mtk.data.shards`): then `given` counts in this one


class Batches:
    """One pass after another, without end, as lists of the examples' numbers: every example once a pass, in the last batch
    of a pass as many as are left. None holds a single example if it can be helped, since a head that normalises over the
    batch cannot do with one.

    `take` gives batches of other sizes from the same order: of one batch after the other, so that lengths stay alike."""

    def __init__(self, lengths: Sequence[int], batch_size: int, rng: Random) -> None:
        self._lengths, self._size, self._rng = lengths, batch_size, rng
        self._pass: list[list[int]] = []
        self._given = self._used = 0
        self._begin(0)

    def __iter__(self) -> Iterator[list[int]]:
        return self

    def __next__(self) -> list[int]:
        return self.take(self._size)

    def take(self, count: int) -> list[int]:
        """The next `count` examples, or as many as are left of the pass; one more where it would be left by itself. After
        whole batches, `count` of the batch size is the next batch."""
        if self._given == len(self._pass):
            self._begin(0)
        if count == self._size and not self._used:
            self._given += 1
            return self._pass[self._given - 1]
        left = sum(map(len, self._pass[self._given :])) - self._used
        wanted = left if left <= count or (count > 1 and left == count + 1) else count
        taken: list[int] = []
        while len(taken) < wanted:
            batch = self._pass[self._given][self._used :]
            part = batch[: wanted - len(taken)]
            taken += part
            self._given, self._used = (self._given + 1, 0) if part == batch else (self._given, self._used + len(part))
        return taken

    @property
    def size(self) -> int:
        """The examples of a whole batch."""
        return self._size

    @property
    def per_pass(self) -> int:
        """How many batches a pass has."""
        return len(self._pass)

    @property
    def place(self) -> Place:
        """Where the next batch is."""
        return Place(self._generator, self._given, self._used)

    def go_to(self, place: Place) -> None:
        """Go on from a place that an equal one had come to."""
        self._rng.setstate(place.generator)
        self._begin(place.given, place.used)

    def _begin(self, given: int, used: int = 0) -> None:
        self._generator, self._given, self._used = self._rng.getstate(), given, used
        self._pass = shuffled(self._lengths, self._size, self._rng)


def shuffled(lengths: Sequence[int], batch_size: int, rng: Random) -> list[list[int]]:
    """The batches of one pass, in random order."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    found = []
    for group in pieces(order, GROUP * batch_size):
        found += pieces(sorted(group, key=lengths.__getitem__), batch_size)
    rng.shuffle(found)
    return found


def by_length(lengths: Sequence[int], batch_size: int, tokens: int | None = None) -> Iterator[list[int]]:
    """One pass for evaluation, the longest first, so that memory runs out at once or never: batches of `batch_size`, or of
    fewer where that many would be more than `tokens`, padding included."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        fitting = batch_size if tokens is None else max(1, tokens // max(1, lengths[order[start]]))
        size = min(batch_size, fitting)
        yield order[start : start + size]
        start += size


def pieces(values: Sequence[T], size: int) -> list[list[T]]:
    """The values in pieces of `size`, the last as small as it comes. Where it would be a single one, the last two share what
    they have."""
    found = [list(values[start : start + size]) for start in range(0, len(values), size)]
    if size > 1 and len(found) > 1 and len(found[-1]) == 1:
        rest = [*found.pop(-2), *found.pop()]
        found += [rest] if len(rest) < 4 else [rest[:-2], rest[-2:]]
    return found
