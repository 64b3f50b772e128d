"""How many examples of each task a step takes: what the sampler says, held against what it promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from mtk.calling.failures import broken, call
from mtk.sampler import Sampler

TRIALS = 64  # steps, over the whole run, by which it is found out which tasks may share one


class Sampling:
    """A sampler with the sizes of one run. `total` is the examples of a whole step; the sum of the batch sizes, if None."""

    def __init__(
        self, sampler: Sampler, sizes: Mapping[str, int], batch_sizes: Mapping[str, int], total: int | None, seed: int
    ) -> None:
        self._sampler, self._sizes, self._seed = sampler, sizes, seed
        self._batch_sizes, self._total = batch_sizes, total

    def batch_sizes(self, turn: Sequence[str]) -> dict[str, int]:
        """Those of the tasks, in the measure of the whole step: what an epoch's steps are counted by."""
        wanted = {task: self._batch_sizes[task] for task in turn}
        if self._total is None:
            return wanted
        return {task: max(1, round(size * self._total / sum(wanted.values()))) for task, size in wanted.items()}

    def examples(self, turn: Sequence[str], step: int, steps: int, epoch: int, epochs: int) -> dict[str, int]:
        """task -> examples in the step after `step` others; those tasks of the turn that have any. Raises UsageError, naming
        the sampler, where it promises otherwise."""
        sizes = {task: self._sizes[task] for task in turn}
        batch_sizes = {task: self._batch_sizes[task] for task in turn}
        given = call(
            self._sampler,
            "examples",
            sizes=sizes,
            batch_sizes=batch_sizes,
            batch=self._total or sum(batch_sizes.values()),
            progress=step / steps,
            epoch=epoch,
            epochs=epochs,
            rng=Random(f"{self._seed} sampler {step}"),
        )
        is_fit = isinstance(given, Mapping) and given.keys() <= sizes.keys()
        if not (is_fit and all(isinstance(n, int) and n >= 0 for n in given.values()) and any(given.values())):
            promised = f"a whole number of examples for some of the tasks {', '.join(turn)}, and not 0 for all"
            raise broken(self._sampler, "examples", f"its examples promises {promised}, and gave {given!r}")
        return {task: given[task] for task in turn if given.get(task)}

    def seen_together(self, turns: Sequence[Sequence[str]], steps: int, epochs: int) -> Iterator[tuple[str, ...]]:
        """Which tasks share a step, other than those of the turns: found by asking for steps of all parts of the run."""
        seen = set(map(tuple, turns))
        for trial in range(TRIALS):
            step = trial * max(steps - 1, 0) // (TRIALS - 1)
            for turn in turns:
                tasks = tuple(self.examples(turn, step, steps, 1 + step * epochs // steps, epochs))
                if tasks not in seen:
                    seen.add(tasks)
                    yield tasks
