"""α, the strength that the operations of Easy Data Augmentation share: the share of a sentence's words they change.

Of l words they change n = ⌊α·l⌋, and one at least, so that a short sentence is changed too."""

from __future__ import annotations

from typing import Annotated

import msgspec

Alpha = Annotated[float, msgspec.Meta(gt=0, le=1)]
