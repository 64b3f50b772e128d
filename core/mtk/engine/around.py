"""What stands around a Gramian method: it is asked like one, and the method is asked by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from mtk.calling.arguments import names
from mtk.calling.failures import call, tensor
from mtk.combiner import Combiner, GramianCombiner, Step


class Around(GramianCombiner):
    """It does nothing else than the method: its turns, its state, what comes after a step and an evaluation."""

    def __init__(self, method: GramianCombiner) -> None:
        super().__init__(method.tasks)
        self.method = method
        self.scope = method.scope
        self.uses_host = method.uses_host  # type: ignore[misc]  # as the method has it, and not the class
        self._component = getattr(method, "_component", None)  # so that a message names the method

    def turns(self) -> list[tuple[str, ...]]:
        return self.method.turns()

    def after_step(self, losses: Callable[[], Tensor]) -> None:
        call(self.method, "after_step", losses=losses)

    def after_evaluation(self, scores: Mapping[str, float]) -> None:
        call(self.method, "after_evaluation", scores=scores)

    def prepare(self, layers: int) -> None:
        """How many layers the encoder has is known."""
        if isinstance(self.method, Around):
            self.method.prepare(layers)


class ByLayer(Around):
    """A method that decides for the encoder, deciding in each layer by itself: each has a copy of it, and so a state of its
    own. One that can decide for all layers at once, such as pcgrad, needs no copies, and has a `scope` itself."""

    def __init__(self, method: GramianCombiner) -> None:
        super().__init__(method)
        self.scope = "layer"
        self.further = nn.ModuleList()  # of the second layer, and so on; the first has the method itself

    def prepare(self, layers: int) -> None:
        while len(self.further) + 1 < layers:
            self.further.append(deepcopy(self.method))

    def weights(self, gramian: Tensor, step: Step, cross: Tensor | None = None) -> Tensor:
        self.prepare(len(gramian))
        found = []
        for number, method in enumerate(self._methods()):
            of_halves = None if cross is None else cross[number]
            weights = call(method, "weights", gramian=gramian[number], step=step, cross=of_halves)
            found.append(tensor(method, "weights", weights, gramian.shape[1:2], gramian.device))
        return torch.stack(found)

    def after_step(self, losses: Callable[[], Tensor]) -> None:
        known: list[Tensor] = []

        def once() -> Tensor:
            if not known:
                known.append(losses())
            return known[0]

        for method in self._methods():
            call(method, "after_step", losses=once)

    def after_evaluation(self, scores: Mapping[str, float]) -> None:
        for method in self._methods():
            call(method, "after_evaluation", scores=scores)

    def _methods(self) -> list[nn.Module]:
        return [self.method, *self.further]


def wants_cross(combiner: Combiner) -> bool:
    """Whether a method asks for the products of two halves of a step's examples: it names them."""
    while isinstance(combiner, Around):
        combiner = combiner.method
    return isinstance(combiner, GramianCombiner) and "cross" in names(type(combiner).weights, ("gramian", "cross", "step"))
