"""AuxiNash: tasks bargain with unequal power, which they have from what they do for the main task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.bargaining import settle

LEAST = 1e-4  # of a preference: the authors'
MOMENTUM = 0.9  # the authors'
TERMS = 4  # of the Neumann series by which the authors take the inverse Hessian


class AuxiNash(mtk.GramianCombiner):
    """Shamsian, Navon, Glazer, Kawaguchi, Chechik and Fetaya 2023, "Auxiliary Learning as an Asymmetric Bargaining Game",
    ICML, algorithm 1.

    The weights x solve G x = p / x: Nash's solution, of which nash-mtl's is that for equal preferences p, whose sum is T; it
    is as long as the root of T, whatever the gradients' lengths. The preferences learn, every so many steps, with momentum,
    from the slope of the main task's loss on one half of the batch, through the step that the weighted gradients of the
    other half make. The paper takes held-out data, and the inverse Hessian by four terms of a series in which the Hessian
    comes ten thousand times smaller; here it comes with none.

    Options: `main`, the main task, by default the first; `rate`, with which the preferences learn; `every`, so many steps.
    """

    preferences: Tensor
    velocity: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        main: str | None = None,
        rate: Annotated[float, Meta(ge=0)] = 5e-3,
        every: Annotated[int, Meta(ge=1)] = 25,
    ) -> None:
        super().__init__(tasks)
        if main is not None and main not in self.tasks:
            raise ValueError(f"main is a task, {', '.join(self.tasks)}, and not '{main}'")
        self.main = self.tasks[0] if main is None else main
        self.rate = rate
        self.every = every
        self.register_buffer("preferences", torch.ones(len(tasks)))
        self.register_buffer("velocity", torch.zeros(len(tasks)))

    def weights(self, gramian: Tensor, step: mtk.Step, cross: Tensor) -> Tensor:
        exact, preferences = gramian.double(), self.preferences.double()
        weights = settle(exact, preferences, 1)
        # what a preference does to the weights [T, T], by the derivative of G x = p / x
        slopes, _ = torch.linalg.solve_ex(exact + torch.diag(preferences / weights**2), torch.diag(1 / weights))
        slope = -TERMS * cross[:, step.tasks.index(self.main)].double() @ slopes
        velocity = MOMENTUM * self.velocity.double() + slope / slope.norm().clamp_min(1)
        learned = (preferences - self.rate * velocity).clamp_min(LEAST)
        learned = len(learned) * learned / learned.sum()
        due = (step.number + 1) % self.every == 0
        self.velocity.copy_(torch.where(due, velocity, self.velocity))
        self.preferences.copy_(torch.where(due, learned, preferences))
        return weights.to(gramian.dtype)
