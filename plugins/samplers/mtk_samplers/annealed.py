from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Annotated

import msgspec

import mtk


class Annealed(mtk.Sampler):
    """p_i ∝ N_i^α with α = 1 - fall·(e - 1)/(E - 1) in epoch e of E: proportional in the first epoch, nearly equal in the
    last, so that the end of training forgets no small task. Stickland and Murray, "BERT and PALs", ICML 2019, section 3,
    with fall = 0.8. In a run of one epoch, where that says nothing, the share of the run takes the fraction's place.

    Options: `fall`, by how much α falls.
    """

    def __init__(self, *, fall: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8) -> None:
        self.fall = fall

    def examples(
        self, sizes: Mapping[str, int], batch: int, progress: float, epoch: int, epochs: int, rng: Random
    ) -> Mapping[str, int]:
        alpha = 1 - self.fall * ((epoch - 1) / (epochs - 1) if epochs > 1 else progress)
        return self.share(batch, {task: size**alpha for task, size in sizes.items()}, rng)
