from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Annotated

import msgspec

import mtk


class Proportional(mtk.Sampler):
    """p_i ∝ N_i: of a task as much as it has of all training examples, as if the training sets were one."""

    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return self.share(batch, sizes, rng)


class SquareRoot(mtk.Sampler):
    """p_i ∝ N_i^0.5: between proportional and equal. Stickland and Murray, "BERT and PALs", ICML 2019, section 3."""

    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return self.share(batch, {task: size**0.5 for task, size in sizes.items()}, rng)


class Temperature(mtk.Sampler):
    """p_i ∝ min(N_i, K)^(1/T): temperature-scaled mixing. T = 1 is proportional, and as T grows the tasks become equal.
    Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", JMLR 2020,
    section 3.5.2.

    Options: `t`, the temperature; `limit`, the K above which a training set counts for no more.
    """

    def __init__(
        self,
        *,
        t: Annotated[float, msgspec.Meta(gt=0)] = 2.0,
        limit: Annotated[int, msgspec.Meta(ge=1)] | None = None,
    ) -> None:
        self.t, self.limit = t, limit

    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        counted = {task: min(size, self.limit or size) for task, size in sizes.items()}
        largest = max(counted.values())  # of which all are a share, so that no power is too large
        return self.share(batch, {task: (size / largest) ** (1 / self.t) for task, size in counted.items()}, rng)
