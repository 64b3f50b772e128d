"""The sampler contract: how many examples of each task the next step takes.

The smallest sampler:

    class SmallestFirst(mtk.Sampler):
        def examples(self, sizes, batch, rng):
            return self.share(batch, {task: 1 / size for task, size in sizes.items()}, rng)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import accumulate
from math import floor
from random import Random
from typing import Any


class Sampler(ABC):
    """Decides how many examples of each task a step takes; which ones is the framework's. The keyword-only arguments of the
    constructor are the options that a user can set, `NAME:key=value`. Beside them every sampler takes `batch=N`: the
    examples of a whole step, which are the sum of the tasks' batch sizes where the user does not say.

    It keeps nothing between two steps, so that a run can be resumed.
    """

    @abstractmethod
    def examples(self, sizes: Mapping[str, int], *args: Any, **kwargs: Any) -> Mapping[str, int]:
        """task -> examples, for the tasks of the turn; 0, or no entry, leaves a task out of the step. It is called before
        every step, and takes those of these arguments that it names:

        - `sizes`: task -> examples of its training set, for the tasks of the turn;
        - `batch_sizes`: task -> its `--batch-size`;
        - `batch`: the examples of the whole step;
        - `progress`: the share of the run's steps that are made, from 0 to less than 1;
        - `epoch`, `epochs`: the epoch that the step is in, counted from 1, and how many there are;
        - `rng`: a random.Random of this step's own. All randomness must come from it, so that a seed repeats a run.
        """

    @staticmethod
    def share(batch: int, weights: Mapping[str, float], rng: Random) -> dict[str, int]:
        """`batch` examples shared out in proportion to the weights, which are 0 or more. Each task gets the whole number
        above or below its share, so drawn that in the mean it is the share itself (systematic sampling); exactly it where
        all shares are whole. Which task comes first in a file changes nothing.

        A task that would get one example, and whose share is not one, gets two or none instead: a head that normalises
        over the batch cannot do with one."""
        tasks = sorted(weights)
        total = sum(weights.values())
        bounds = [0.0, *(batch * reached / total for reached in accumulate(weights[task] for task in tasks))]
        start = rng.random()
        ends = [floor(bound + start) for bound in bounds]
        ends[-1] = batch + ends[0]
        counts = {task: ends[i + 1] - ends[i] for i, task in enumerate(tasks)}
        for task in tasks:
            if counts[task] == 1 and batch * weights[task] != total:
                _give_two_or_none(counts, task, rng)
        return {task: counts[task] for task in weights}


def _give_two_or_none(counts: dict[str, int], task: str, rng: Random) -> None:
    """With equal chances, at the cost or to the gain of the task that has most."""
    others = [other for other in counts if other != task and counts[other] > 0]
    if others:
        most = max(others, key=lambda other: counts[other])
        gains = counts[most] != 2 and rng.random() < 0.5  # of two, one would be left
        counts[task] += 1 if gains else -1
        counts[most] -= 1 if gains else -1
