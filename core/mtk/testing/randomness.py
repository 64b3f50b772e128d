"""The random numbers that are nobody's: Python's and NumPy's global generators, which no seed of a run decides."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def global_generators(seed: int) -> Iterator[Callable[[], str | None]]:
    """Have them begin at `seed`, and put them back afterwards. What is given says which of them has moved since."""
    numpy: Any = getattr(sys.modules.get("numpy"), "random", None)  # who has not imported it has not drawn from it
    before, of_numpy = random.getstate(), numpy and numpy.get_state()
    random.seed(seed)
    begun = random.getstate()
    if numpy:
        numpy.seed(seed)

    def moved() -> str | None:
        if random.getstate() != begun:
            return "Python's global random generator moved"
        if numpy and numpy.get_state()[2] != 624:  # where a seeded one stands until a number is drawn
            return "NumPy's global random generator moved"
        return None

    try:
        yield moved
    finally:
        random.setstate(before)
        if numpy:
            numpy.set_state(of_numpy)
