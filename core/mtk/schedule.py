"""The schedule contract: which factor of the highest learning rate a step has, once the rate has risen.

The smallest schedule:

    class Quadratic(mtk.Schedule):
        def factor(self, left):
            return left**2
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Schedule(ABC):
    """Decides how the learning rates fall. The keyword-only arguments of the constructor are the options that a user can
    set, `NAME:key=value`. The rise before, in a line over the share `--warmup` of the steps, is the framework's."""

    @abstractmethod
    def factor(self, left: float, *args: Any, **kwargs: Any) -> float:
        """The factor of every learning rate, 0 or more. It takes those of these arguments that it names:

        - `left`: the share of the steps after warm-up that are still to make: from 1 to 0;
        - `progress`: those that are made: 1 - `left`;
        - `step`, `steps`: optimizer steps made in the run, warm-up included, and how many it has.
        """
