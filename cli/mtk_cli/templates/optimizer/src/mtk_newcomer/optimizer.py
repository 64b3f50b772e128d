from collections.abc import Iterable
from typing import Any

import torch


class NewcomerOptimizer(torch.optim.Optimizer):
    """A step in the direction of the sign of a running mean of the gradient, with decoupled decay."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        weight_decay: float = 0.0,
        beta: float = 0.9,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "beta": beta})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                mean = self.state[weights].setdefault("mean", torch.zeros_like(weights))
                mean.lerp_(weights.grad, 1 - group["beta"])
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.sub_(group["lr"] * mean.sign())
