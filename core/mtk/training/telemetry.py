"""What is told of training between two reports: mean losses, and how the tasks' gradients lie to one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mtk.engine.gradients import Outcome
from mtk.training.geometry import Geometry, geometry

REPORT_SECONDS = 1.0
"""Losses are fetched from the device so many seconds apart, of training and of a stage; in between, nothing waits for it."""


class Told(NamedTuple):
    """What is known of a step."""

    step: int  # its number, counted from 1
    outcome: Outcome
    examples: Mapping[str, Sequence[int]]  # the numbers of those that it was made on, by task


class Telemetry:
    """Means over the steps since the last report. It waits for the device, once for each report."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = layers
        self._told: list[Told] = []

    def add(self, step: int, outcome: Outcome, examples: Mapping[str, Sequence[int]]) -> None:
        """What a step told, and the numbers of the examples that it was made on, by task."""
        self._told.append(Told(step, outcome, examples))

    def __bool__(self) -> bool:
        return bool(self._told)

    @property
    def outcomes(self) -> list[Outcome]:
        """Those that were added since `clear`."""
        return [told.outcome for told in self._told]

    def take_nonfinite(self) -> list[Told]:
        """The steps since `clear` whose losses or gradient are not finite. They are part of nothing else from now on. One
        that was skipped, since fp16 could not hold its gradient, is none."""
        fit = [o.finite if o.overflowed is None else o.finite | o.overflowed for o in self.outcomes]
        if not fit or torch.stack(fit).all():
            return []
        found = [told for told, is_fit in zip(self._told, fit, strict=True) if not is_fit]
        self._told = [told for told, is_fit in zip(self._told, fit, strict=True) if is_fit]
        return found

    def _made(self) -> Sequence[Outcome]:
        """Without those that were skipped, whose gradients are no numbers."""
        return [o for o in self.outcomes if o.overflowed is None or not o.overflowed]

    def clear(self) -> None:
        self._told.clear()

    def losses_by_step(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Each step's number and its tasks' losses, with one transfer from the device."""
        values = iter(torch.cat([told.outcome.losses for told in self._told]).tolist() if self else ())
        for told in self._told:
            yield told.step, {task: next(values) for task in told.outcome.tasks}

    def losses(self) -> dict[str, float]:
        """task -> its loss."""
        return _means((task, loss) for o in self.outcomes for task, loss in zip(o.tasks, o.losses, strict=True))

    def own_losses(self) -> dict[str, float]:
        """ "task/name" -> a loss that a head has of its own."""
        return _means(item for o in self.outcomes for item in o.own_losses.items())

    def geometry(self) -> Geometry:
        """How the tasks' gradients lie to one another, where Gramians were computed."""
        return geometry(self._made(), self._layers)


def _means(items: Iterable[tuple[str, Tensor]]) -> dict[str, float]:
    """The mean of each name's values, with one transfer from the device."""
    values: dict[str, list[Tensor]] = defaultdict(list)
    for name, value in items:
        values[name].append(value)
    if not values:
        return {}
    means = torch.stack([torch.stack(of_name).mean() for of_name in values.values()]).tolist()
    return dict(zip(values, means, strict=True))
