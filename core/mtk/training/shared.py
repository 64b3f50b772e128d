"""What the runs of one process share: data, the encoder as it was loaded, augmented text and token ids are made once, and
each run gets them as if they were made for it.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 64  # things that are kept; beyond that, what has not been used for longest goes


class Same:
    """A part of a key: this very object, which is kept with it, so that no other one has its number."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class Shared:
    """Keeps what is made by all that decides it. What is given out is not changed by anybody, or is a copy."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, which `key` decides: as it is kept, or else made now."""
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        found: T = self._kept[key]
        return found

    def copy_of(self, key: Hashable, make: Callable[[], T]) -> T:
        """A copy of it, which is the caller's own."""
        return copy.deepcopy(self.once(key, make))
