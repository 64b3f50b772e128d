"""The augmenter contract: its smallest example works."""

from __future__ import annotations

from random import Random

import pytest
from docstring_examples import smallest

from mtk import augmenter
from mtk.augmenter import Augmenter


def test_the_smallest_augmenter_is_one() -> None:
    echo, words = smallest(augmenter, "Echo")(), ("the", "dog", "is", "happy")
    changed = [echo(words, Random(seed)) for seed in range(20)]
    assert all(tuple(result[:-1]) == words and result[-1] in words for result in changed)
    assert changed == [echo(words, Random(seed)) for seed in range(20)], "a seed repeats it"
    assert len({result[-1] for result in changed}) == len(words)


def test_one_copy_unless_it_or_the_user_says() -> None:
    assert Augmenter.copies == smallest(augmenter, "Echo").copies == 1


def test_an_augmenter_has_to_be_called() -> None:
    class Unfinished(Augmenter):
        pass

    with pytest.raises(TypeError, match="__call__"):
        Unfinished()  # type: ignore[abstract]
