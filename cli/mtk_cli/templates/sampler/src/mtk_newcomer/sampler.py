from collections.abc import Mapping
from random import Random

import mtk


class NewcomerSampler(mtk.Sampler):
    """Shares a step out in inverse proportion to the sizes of the training sets, to a power.

    Options: `power`; with 0 all tasks get the same.
    """

    def __init__(self, *, power: float = 0.5) -> None:
        self.power = power

    def examples(
        self,
        sizes: Mapping[str, int],
        batch: int,
        rng: Random,
    ) -> Mapping[str, int]:
        weights = {task: size**-self.power for task, size in sizes.items()}
        return self.share(batch, weights, rng)
