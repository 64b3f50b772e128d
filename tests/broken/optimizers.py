"""For each promise of an optimizer one that breaks it, and it alone, as far as that can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Descent(torch.optim.Optimizer):
    """Momentum, and decay. Keeps every promise. Those below differ in one thing."""

    def __init__(self, params: Iterable[Any], lr: float = 0.1, weight_decay: float = 0.0, momentum: float = 0.5) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, group)

    def move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        velocity = state.get("velocity", torch.zeros_like(parameter)) * group["momentum"] + gradient
        state["velocity"] = velocity
        parameter.sub_(group["lr"] * (velocity + group["weight_decay"] * parameter))


class Ascent(Descent):
    def move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        super().move(parameter, -gradient, group)


class Normalised(Descent):
    def move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        super().move(parameter, gradient / gradient.norm(), group)


class DecaysAll(Descent):
    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        super().step()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(1 - 0.1 * group["lr"])


class RateOfTheBeginning(Descent):
    def __init__(self, params: Iterable[Any], lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay)
        self.rate = lr

    def move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        super().move(parameter, gradient, {**group, "lr": self.rate})


class KeepsAList(Descent):
    def move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        super().move(parameter, gradient, group)
        self.state[parameter]["history"] = [0.0]


class CountsByItself(Descent):
    made = 0

    def move(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        self.made += 1
        super().move(parameter, gradient / self.made, group)


CAUGHT: list[tuple[type[Any], set[str]]] = [
    (Ascent, {"descends"}),
    (Normalised, {"finite"}),
    (DecaysAll, {"without-a-gradient"}),
    (RateOfTheBeginning, {"rates"}),
    (KeepsAList, {"saving"}),
    (CountsByItself, {"saving"}),
]
