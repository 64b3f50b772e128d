"""The few shapes that steps are padded to, so that what was recorded of one step can be replayed for many.

A step has a length for each task. Where each of eight tasks comes in five, steps come in 5⁸ shapes, and hardly one comes
twice. So steps are put into boxes, each a range of lengths for every task, and a step is padded to the longest of its box.
At first one box holds all. To cut a box in two, between two lengths of one task, spares the steps below the cut the padding
of that task from there on. The cut that spares most tokens is made, over and over, until there are as many boxes as may be.

How often steps come into a box follows from how often the batches of each task have which length, since each task draws its
batches by itself. So a shape depends on the data and on the step alone: a run that is resumed pads as it would have.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate, count, islice
from random import Random
from typing import NamedTuple

from mtk.data.shards import Tokens

MULTIPLE = 16  # of tokens, that every length is rounded up to: it keeps attention masks aligned for the fused kernels
MOST = 64  # shapes of a run, and recordings that are kept
STEPS = 20  # for each shape, so that nine of ten are replays: of the first two one is made as it is, and one recorded
WORST = 3.0  # times a step's own tokens: it is not padded to more, and made as it is
SAMPLE = 1000  # batches of a task, whose lengths are counted


class Axis(NamedTuple):
    """One task's batches, as they are read in one way."""

    sequences: float  # of a batch, on average
    lengths: Sequence[int]  # that it may be padded to, in ascending order; the last one is the longest that can come
    counts: Sequence[int]  # of batches, that need each of these


@dataclass
class _Box:
    ranges: tuple[tuple[int, int], ...]  # for each axis: the first of its lengths, and the one after the last
    share: float  # of the steps
    axis: int = 0  # in which a cut spares most
    at: int = 0  # the first length above that
    sides: tuple[_Box, _Box] | None = None  # below and above it, where it is made


class Boxes:
    """At most so many, for steps with a length in each of these axes; those that no step is expected in are not counted."""

    def __init__(self, axes: Sequence[Axis], most: int) -> None:
        self._axes = axes
        self._before = [[0, *accumulate(axis.counts)] for axis in axes]  # batches below each length
        self._whole = _Box(tuple((0, len(axis.lengths)) for axis in axes), 1.0)
        number = count()
        waiting = [(-self._spared(self._whole), next(number), self._whole)]
        met = 1
        while waiting and waiting[0][0] < 0:
            _, _, box = heappop(waiting)
            sides = self._sides(box)
            are_met = all(side.share for side in sides)
            if are_met and met == most:
                continue
            box.sides, met = sides, met + are_met
            for side in sides:
                heappush(waiting, (-self._spared(side), next(number), side))

    def of(self, lengths: Sequence[int]) -> list[int]:
        """What a step that needs these lengths is padded to."""
        places = [bisect_left(axis.lengths, length) for axis, length in zip(self._axes, lengths, strict=True)]
        box = self._whole
        while box.sides:
            box = box.sides[places[box.axis] >= box.at]
        return [axis.lengths[end - 1] for axis, (_, end) in zip(self._axes, box.ranges, strict=True)]

    def _spared(self, box: _Box) -> float:
        """The tokens of a step that the best cut of a box spares, on average over all steps."""
        most = 0.0
        for number, (axis, before, (start, end)) in enumerate(zip(self._axes, self._before, box.ranges, strict=True)):
            for at in range(start + 1, end):
                share = box.share * (before[at] - before[start]) / max(1, before[end] - before[start])
                spared = share * axis.sequences * (axis.lengths[end - 1] - axis.lengths[at - 1])
                if spared > most:
                    most, box.axis, box.at = spared, number, at
        return most

    def _sides(self, box: _Box) -> tuple[_Box, _Box]:
        before, (start, end) = self._before[box.axis], box.ranges[box.axis]

        def side(first: int, last: int) -> _Box:
            ranges = (*box.ranges[: box.axis], (first, last), *box.ranges[box.axis + 1 :])
            return _Box(ranges, box.share * (before[last] - before[first]) / (before[end] - before[start]))

        return side(start, box.at), side(box.at, end)


class Shapes:
    """Those of a run of so many steps, on these training sets with these batch sizes, whose tasks take so many turns."""

    def __init__(self, train: Mapping[str, Tokens], batch_sizes: Mapping[str, int], steps: int, turns: int) -> None:
        self._train = train
        self._axes = {task: _axes(train[task], size) for task, size in batch_sizes.items()}
        self._most = max(1, min(MOST, steps // STEPS) // turns)
        self._boxes: dict[tuple[str, ...], Boxes] = {}  # by the tasks that a step has

    def of(self, parts: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, list[int]]:
        """Of a step: for each task, of whose batch the parts have these examples, the tokens that each reading of them is
        padded to."""
        sequences, own = list[int](), list[int]()
        for task, of_task in parts.items():
            for many, longest in _needed(self._train[task], of_task):
                sequences.append(many)
                own.append(rounded(longest, self._train[task].max_length))
        tasks = tuple(parts)
        if tasks not in self._boxes:
            self._boxes[tasks] = Boxes([axis for task in tasks for axis in self._axes[task]], self._most)
        found = self._boxes[tasks].of(own)
        if _tokens(sequences, found) > WORST * _tokens(sequences, own):
            found = own
        padded = iter(found)
        return {task: list(islice(padded, len(self._axes[task]))) for task in tasks}


class Widest:
    """Those of a run whose packed sequence is without padding, which is made for so many tokens and not for shapes: every
    reading as wide as the longest that is expected of its task, or else as may come."""

    def __init__(self, train: Mapping[str, Tokens], batch_sizes: Mapping[str, int]) -> None:
        self._train = train
        axes = {task: _axes(train[task], size) for task, size in batch_sizes.items()}
        self._seen = {
            task: [max(length for length, times in zip(axis.lengths, axis.counts, strict=True) if times) for axis in own]
            for task, own in axes.items()
        }

    def of(self, parts: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, list[int]]:
        """Of a step, as `Shapes.of` gives it."""
        found = {}
        for task, of_task in parts.items():
            needed, allowed = _needed(self._train[task], of_task), self._train[task].max_length
            found[task] = [seen if own <= seen else allowed for seen, (_, own) in zip(self._seen[task], needed, strict=True)]
        return found


def rounded(longest: int, allowed: int) -> int:
    """A length that sequences of at most `longest` tokens are padded to: a multiple, where as many are allowed."""
    return max(longest, min(-(-longest // MULTIPLE) * MULTIPLE, allowed))


def _needed(tokens: Tokens, parts: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Of a batch in these parts, for each reading: its sequences, and the tokens of the longest."""
    readings = zip(*(tokens.shape(part) for part in parts), strict=True)
    return [(sum(count for count, _ in own), max(longest for _, longest in own)) for own in readings]


def _tokens(sequences: Sequence[int], lengths: Sequence[int]) -> int:
    return sum(number * length for number, length in zip(sequences, lengths, strict=True))


def _axes(tokens: Tokens, batch_size: int) -> list[Axis]:
    """One for each reading."""
    batches = tokens.batches(batch_size, Random("shapes"))
    shapes = [tokens.shape(batch) for batch in islice(batches, min(batches.per_pass, SAMPLE))]
    found = []
    for reading in zip(*shapes, strict=True):
        counts = Counter(rounded(longest, tokens.max_length) for _, longest in reading)
        lengths = sorted({*counts, tokens.max_length})
        average = sum(sequences for sequences, _ in reading) / len(reading)
        found.append(Axis(average, lengths, [counts[length] for length in lengths]))
    return found
