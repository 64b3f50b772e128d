"""Which examples make a batch: of like length, so that little is padding, and in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

# Examples are sorted by length within groups of so many batches: large enough that a batch holds like lengths, small
# enough that every pass makes other batches. On the CS224N tasks at batch size 16 padding is then below 5 %.
GROUP = 50


def shuffled(lengths: Sequence[int], batch_size: int, rng: Random) -> Iterator[list[int]]:
    """One pass after another, without end: every example once a pass, the last batch of a pass as small as it comes."""
    while True:
        order = list(range(len(lengths)))
        rng.shuffle(order)
        batches = []
        for start in range(0, len(order), GROUP * batch_size):
            group = sorted(order[start : start + GROUP * batch_size], key=lengths.__getitem__)
            batches += [group[i : i + batch_size] for i in range(0, len(group), batch_size)]
        rng.shuffle(batches)
        yield from batches


def by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """One pass for evaluation, the longest first, so that memory runs out at once or never."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
