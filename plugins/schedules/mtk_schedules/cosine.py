from __future__ import annotations

from math import cos, pi
from typing import Annotated

import msgspec

import mtk


class Cosine(mtk.Schedule):
    """final + (1 - final)·(1 + cos πs)/2 at the share s of the steps after warm-up. Loshchilov and Hutter, "SGDR", ICLR
    2017, equation 5, without a restart.

    Options: `final`, the factor in the end.
    """

    def __init__(self, *, final: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0) -> None:
        self.final = final

    def factor(self, progress: float) -> float:
        return self.final + (1 - self.final) * (1 + cos(pi * progress)) / 2
