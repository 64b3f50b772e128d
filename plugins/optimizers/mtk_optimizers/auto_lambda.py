"""Auto-Lambda: weights that learn from what each task's step does for the primary tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.adam import AdamWeights


class AutoLambda(AdamWeights):
    """Liu, James, Davison and Johns 2022, "Auto-Lambda: Disentangling Dynamic Task Relationships", TMLR, algorithm 1, for a
    look-ahead step of no length.

    The weights w learn by Adam from the slope of the primary tasks' losses on one half of the batch, after a step along the
    weighted gradients of the other half. For a short step that is -sum_j <a_i, b_j>, j the primary tasks, which needs no
    second copy of the model; its length does not matter to Adam. The paper takes the step at the learning rate, over the
    heads too, and held-out data.

    Options: `primary`, the tasks that count, all by default: `sst/para`; `rate`, with which the weights learn; `begin`, what
    they are at first.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        primary: list[str] | None = None,
        rate: Annotated[float, Meta(ge=0)] = 1e-4,
        begin: Annotated[float, Meta(gt=0)] = 0.1,
    ) -> None:
        super().__init__(tasks, begin)
        if unknown := [task for task in primary or () if task not in self.tasks]:
            raise ValueError(f"primary takes tasks, {', '.join(self.tasks)}, and not '{unknown[0]}'")
        self.primary = tuple(primary or tasks)
        self.rate = rate

    def weights(self, gramian: Tensor, step: mtk.Step, cross: Tensor) -> Tensor:
        counts = [number for number, task in enumerate(step.tasks) if task in self.primary]
        slope = -sum((cross[:, number] for number in counts), start=cross.new_zeros(len(cross)))
        self.learn(slope, self.rate)
        return self.learned.to(gramian.dtype, copy=True)
