"""α, the strength that the operations of Easy Data Augmentation share: the share of a sentence's words they change."""

from __future__ import annotations

from typing import Annotated

import msgspec

Alpha = Annotated[float, msgspec.Meta(gt=0, le=1)]


def count(alpha: float, words: int) -> int:
    """n = α·l, rounded down, and at least one, so that a short sentence is changed too."""
    return int(alpha * words) or 1
