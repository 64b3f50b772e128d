"""FERERO: losses in the proportion that is asked for, without the bias of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.simplex import nearest


class FERERO(mtk.GramianCombiner):
    """Chen, Saif, Shen and Chen 2024, "FERERO: A Flexible Framework for Preference-Guided Multi-Objective Learning",
    NeurIPS: the single loop; its order of preference is that of all losses by themselves.

    The losses are to become proportional to `pref_vector`, p: the constraints are p_(i+1) L_i = p_i L_(i+1). The weights are
    made of some on the simplex and of a multiplier for each constraint. Both follow the slope of half the squared length of
    the weighted gradient, in which the two factors are the gradients of two halves of the batch, and the multipliers half of
    what is wrong with their constraints. As in the authors' code, the sum of the weights' sizes is 1, and the next step
    takes their slope there.

    Options: `pref_vector`, a number for each task: `1/1/2`; `rate`, the step size of all of these (1e-5 in the authors'
    code, for two tasks).
    """

    shares: Tensor
    multipliers: Tensor
    reached: Tensor
    constraints: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        pref_vector: list[Annotated[float, Meta(gt=0)]] | None = None,
        rate: Annotated[float, Meta(gt=0)] = 0.01,
    ) -> None:
        super().__init__(tasks)
        if pref_vector is not None and len(pref_vector) != len(tasks):
            example = "/".join("1" for _ in tasks)
            raise ValueError(f"pref_vector takes a number for each task ({', '.join(tasks)}), such as {example}")
        count = len(tasks)
        wanted = torch.tensor(pref_vector or [1.0] * count)
        wanted = wanted / wanted.norm()
        constraints = torch.zeros(count - 1, count)
        for number in range(count - 1):
            constraints[number, number], constraints[number, number + 1] = wanted[number + 1], -wanted[number]
        self.rate = rate
        self.register_buffer("constraints", constraints, persistent=False)
        self.register_buffer("shares", torch.full((count,), 1 / count))
        self.register_buffer("multipliers", torch.zeros(count - 1))
        self.register_buffer("reached", torch.full((count,), 1 / count))  # the weights of the last step

    def weights(self, gramian: Tensor, step: mtk.Step, cross: Tensor) -> Tensor:
        slope = cross.to(self.shares.dtype) @ self.reached
        wrong = self.constraints @ step.losses.to(self.shares.dtype)
        self.shares.copy_(nearest(self.shares - self.rate * slope))
        self.multipliers.sub_(self.rate * (self.constraints @ slope - wrong / 2))
        weights = self.shares + self.constraints.T @ self.multipliers
        size = weights.abs().sum()
        self.reached.copy_(torch.where(size > 0, weights / torch.where(size > 0, size, 1), self.reached))
        return self.reached.to(gramian.dtype, copy=True)
