"""For each promise of a sampler a part that breaks it, and it alone, as far as that can be."""

from __future__ import annotations

import random
from collections.abc import Mapping
from random import Random
from typing import Any

import mtk


class Equal(mtk.Sampler):
    """Keeps every promise. Those below differ in one thing."""

    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return self.share(batch, dict.fromkeys(sizes, 1), rng)


class Halves(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Any:
        return {task: batch / len(sizes) for task in sizes}


class Invents(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return {**super().examples(sizes, batch, rng), "another": 2}


class LargestAlone(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return {max(sorted(sizes), key=sizes.__getitem__): batch}


class FirstOfTheFile(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        first = next(iter(sizes))
        return {task: 4 if task == first else 2 for task in sizes}


class Counts(Equal):
    calls = 0

    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        self.calls += 1
        return dict.fromkeys(sizes, 1 + self.calls)


class Draws(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return self.share(batch, dict.fromkeys(sizes, 1), random)  # type: ignore[arg-type]


class Empties(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        given = super().examples(dict(sizes), batch, rng)
        sizes.clear()  # type: ignore[attr-defined]
        return given


class OrderOfHashes(Equal):
    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        order = sorted(sizes, key=hash)  # which is another one in each process
        return {task: 1 + order.index(task) for task in sizes}


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (Halves, {"counts"}),
    (Invents, {"counts"}),
    (LargestAlone, {"every-task"}),
    (FirstOfTheFile, {"task-order"}),
    (Counts, {"no-memory"}),
    (Draws, {"only-its-rng", "no-memory", "task-order", "any-process"}),
    (Empties, {"inputs-kept"}),
    (OrderOfHashes, {"any-process"}),
]
