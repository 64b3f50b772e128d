"""What is told of training between two reports: mean losses, and the cosines between the tasks' gradients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mtk.engine.gradients import Outcome
from mtk.engine.gramian import cosines


class Telemetry:
    """Means over the steps since the last report. It waits for the device, once for each report."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = layers
        self._outcomes: list[Outcome] = []
        self._examples: list[Mapping[str, Sequence[int]]] = []

    def add(self, outcome: Outcome, examples: Mapping[str, Sequence[int]]) -> None:
        """What a step told, and the numbers of the examples that it was made on, by task."""
        self._outcomes.append(outcome)
        self._examples.append(examples)

    def __bool__(self) -> bool:
        return bool(self._outcomes)

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Those that were added since `clear`."""
        return self._outcomes

    def nonfinite(self) -> tuple[int, Outcome, Mapping[str, Sequence[int]]] | None:
        """The first step since `clear` whose losses or gradient are not finite, counted from 0; None if there is none. One
        that was skipped, since fp16 could not hold its gradient, is none."""
        fit = [o.finite if o.overflowed is None else o.finite | o.overflowed for o in self._outcomes]
        if not fit or torch.stack(fit).all():
            return None
        number = [bool(finite) for finite in fit].index(False)
        return number, self._outcomes[number], self._examples[number]

    def _made(self) -> Sequence[Outcome]:
        """Without those that were skipped, whose gradients are no numbers."""
        return [o for o in self._outcomes if o.overflowed is None or not o.overflowed]

    def clear(self) -> None:
        self._outcomes.clear()
        self._examples.clear()

    def losses(self) -> dict[str, float]:
        """task -> its loss."""
        return _means((task, loss) for o in self._outcomes for task, loss in zip(o.tasks, o.losses, strict=True))

    def own_losses(self) -> dict[str, float]:
        """ "task/name" -> a loss that a head has of its own."""
        return _means(item for o in self._outcomes for item in o.own_losses.items())

    def cosines(self) -> dict[str, float]:
        """ "a/b" -> the cosine between the gradients of tasks a and b over the encoder, where a Gramian was computed."""
        return _means(
            pair
            for o in self._made()
            if o.gramian is not None
            for pair in _pairs(o.tasks, cosines(o.gramian if o.gramian.ndim == 2 else o.gramian.sum(dim=0)))
        )

    def layer_cosines(self) -> dict[str, dict[str, float]]:
        """layer -> the same in it, where a Gramian was computed by layer."""
        layered = [(o.tasks, cosines(o.gramian)) for o in self._made() if o.gramian is not None and o.gramian.ndim == 3]
        found = {
            layer: _means(pair for tasks, by_layer in layered for pair in _pairs(tasks, by_layer[number]))
            for number, layer in enumerate(self._layers)
        }
        return {layer: means for layer, means in found.items() if means}


def _pairs(tasks: Sequence[str], cosine: Tensor) -> Iterable[tuple[str, Tensor]]:
    for i, one in enumerate(tasks):
        for j, other in enumerate(tasks[:i]):
            yield f"{other}/{one}", cosine[i, j]


def _means(items: Iterable[tuple[str, Tensor]]) -> dict[str, float]:
    """The mean of each name's values, with one transfer from the device."""
    values: dict[str, list[Tensor]] = defaultdict(list)
    for name, value in items:
        values[name].append(value)
    if not values:
        return {}
    means = torch.stack([torch.stack(of_name).mean() for of_name in values.values()]).tolist()
    return dict(zip(values, means, strict=True))
