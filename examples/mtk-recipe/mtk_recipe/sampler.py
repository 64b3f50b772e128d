from __future__ import annotations

from collections.abc import Mapping
from random import Random

import mtk


class SmallestFirst(mtk.Sampler):
    """Shares a step out in inverse proportion to the sizes of the training sets."""

    def examples(self, sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return self.share(batch, {task: 1 / size for task, size in sizes.items()}, rng)
