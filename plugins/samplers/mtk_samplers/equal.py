from __future__ import annotations

from collections.abc import Mapping
from random import Random

import mtk


class Equal(mtk.Sampler):
    """Every task its own `--batch-size`, whatever the size of its training set. With `batch=N`, N examples in the ratio of
    the batch sizes."""

    def examples(self, batch_sizes: Mapping[str, int], batch: int, rng: Random) -> Mapping[str, int]:
        return batch_sizes if batch == sum(batch_sizes.values()) else self.share(batch, batch_sizes, rng)
