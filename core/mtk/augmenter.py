"""The augmenter contract: from a training example to a changed one.

The smallest augmenter:

    class Echo(mtk.Augmenter):
        def __call__(self, words, rng):
            return [*words, rng.choice(words)]

An augmenter defines one of three methods, and which one says what it works on: `__call__` on the words of a sentence,
`example` on an example as a whole, its label included, and `batch` on many texts at once, as a model wants them. A method
takes those of its arguments that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

METHODS = ("__call__", "example", "batch")


class Augmenter:
    """Changes training examples. The keyword-only arguments of the constructor are the options that a user can set,
    `NAME:key=value`. Beside them every augmenter takes `copies=N`: how many changed copies of each training example are
    added to the original.

    What it is given stays as it is. All randomness comes from the random.Random that it is given, one for each row, which
    is seeded with the run's seed, the task's name and the row's id: so a seed repeats a run, and neither the order of rows
    nor a row more changes what becomes of the others.
    """

    copies: ClassVar[int] = 1
    """How many copies are made of each example where the user does not say."""

    def __call__(self, words: Sequence[str], *args: Any, **kwargs: Any) -> list[str]:
        """words, rng -> the changed sentence: at least one word. The label is kept, the two texts of a pair are changed each
        by itself, and no sentence is empty."""
        raise NotImplementedError

    def example(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> tuple[Sequence[str], str]:
        """texts, label, rng, alike -> as many texts, none of them blank, and the label:

        - `texts`: one text, or the two of a pair;
        - `label`: as the task's files have it: one of its `labels`, or a score such as "3.5". So has the one that is given
          back to be;
        - `rng`: the row's random.Random;
        - `alike`: the texts of all training examples with this label, this one among them.
        """
        raise NotImplementedError

    def batch(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> list[str]:
        """texts, rngs -> as many texts in the same order, none of them blank. They are those of up to 64 rows, the two of a
        pair beside each other and none of them blank; `rngs` has the random.Random of each text's row."""
        raise NotImplementedError


def method_of(augmenter: type[Augmenter]) -> str:
    """The one of the three methods that a class defines."""
    return next(name for name in METHODS if getattr(augmenter, name) is not getattr(Augmenter, name))
