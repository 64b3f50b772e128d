"""The augmenter contract: its smallest example works."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from docstring_examples import smallest

from mtk import augmenter
from mtk.augmenter import Augmenter, method_of
from mtk.host.contracts import why_not


def test_the_smallest_augmenter_is_one() -> None:
    echo, words = smallest(augmenter, "Echo")(), ("the", "dog", "is", "happy")
    changed = [echo(words, Random(seed)) for seed in range(20)]
    assert all(tuple(result[:-1]) == words and result[-1] in words for result in changed)
    assert changed == [echo(words, Random(seed)) for seed in range(20)], "a seed repeats it"
    assert len({result[-1] for result in changed}) == len(words)


def test_one_copy_unless_it_or_the_user_says() -> None:
    assert Augmenter.copies == smallest(augmenter, "Echo").copies == 1


def test_the_method_that_is_defined_says_what_it_works_on() -> None:
    class Back(Augmenter):
        def batch(self, texts: Sequence[str]) -> list[str]:
            return list(texts)

    class Further(Back):
        pass

    assert method_of(smallest(augmenter, "Echo")) == "__call__"
    assert method_of(Back) == method_of(Further) == "batch"


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ((), "defines none of its methods; define one of `__call__(self, words, rng)`, `example(self, texts, label, rng, "),
        (("__call__", "batch"), "defines `__call__` and `batch`; define one of"),
        (("examples",), "has a method `examples`, which neither mtk nor the class itself reads: is it `example`?"),
    ],
)
def test_it_has_to_be_one_of_them(methods: tuple[str, ...], message: str) -> None:
    cls = type("Odd", (Augmenter,), dict.fromkeys(methods, lambda self, given: given))
    assert str(why_not("augmenter", cls)).startswith(message)
