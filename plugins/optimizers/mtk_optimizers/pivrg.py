"""PIVRG: tasks that have lost most against training by themselves get more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

import mtk
from mtk_optimizers.bargaining import settle


class PIVRG(mtk.GramianCombiner):
    """Qin, Wang and Yan 2025, "Revisiting Fairness in Multitask Learning: A Performance-Driven Approach for Variance
    Reduction", CVPR: PIVRG.

    The weights x solve G x = (s / x)^(1/2), times the number of tasks T. s is T times the softmax of how many per cent each
    task's score is behind its baseline; the softmax's temperature lets no s be more than `bound` times another. The scores
    are those of the last evaluation on the development sets; before the first, all s are 1.

    Options: `baseline`, each task's score when it is trained by itself, in the order of the data: `0.48/0.76/0.85`; `bound`;
    `temperature`, the least there is.
    """

    behind: Tensor

    def __init__(
        self,
        tasks: Sequence[str],
        *,
        baseline: list[float],
        bound: Annotated[float, Meta(gt=1)] = 2.0,
        temperature: Annotated[float, Meta(gt=0)] = 10.0,
    ) -> None:
        super().__init__(tasks)
        if len(baseline) != len(tasks) or 0 in baseline:
            example = "/".join("0.5" for _ in tasks)
            raise ValueError(f"baseline takes a score for each task ({', '.join(tasks)}), none of them 0, such as {example}")
        self.baseline = dict(zip(tasks, baseline, strict=True))
        self.bound = bound
        self.temperature = temperature
        self.register_buffer("behind", torch.zeros(len(tasks)))  # in per cent [T]

    def after_evaluation(self, scores: Mapping[str, float]) -> None:
        behind = [100 * (self.baseline[task] - scores[task]) / abs(self.baseline[task]) for task in self.tasks]
        self.behind.copy_(torch.tensor(behind).nan_to_num(0, 0, 0))

    def weights(self, gramian: Tensor) -> Tensor:
        behind = self.behind.double()
        temperature = ((behind.amax() - behind.amin()) / log(self.bound)).clamp_min(self.temperature)
        shares = len(behind) * (behind / temperature).softmax(dim=0)
        return (len(behind) * settle(gramian.double(), shares, 0.5)).to(gramian.dtype)
