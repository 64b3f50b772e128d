from __future__ import annotations

from typing import Annotated

import msgspec

import mtk


class WarmupStableDecay(mtk.Schedule):
    """Warm-up, stable, decay: the rate stays high, and falls in a line in the last share of the steps after warm-up. Hu et
    al., "MiniCPM", 2024, section 4, with a line for the decay as in Hägele et al., "Scaling Laws and Compute-Optimal
    Training Beyond Fixed Training Durations", NeurIPS 2024.

    Options: `decay`, that share; `final`, the factor in the end.
    """

    def __init__(
        self,
        *,
        decay: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2,
        final: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0,
    ) -> None:
        self.decay, self.final = decay, final

    def factor(self, left: float) -> float:
        return self.final + (1 - self.final) * min(1.0, left / self.decay)
