"""Uniform draws, a few of which each changed sentence needs: with `Random.random`, which takes a fifth of the time that
`choice` and `sample` take for the same. What is called for each copy draws so itself: a call takes as long as a draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def below(count: int, rng: Random) -> int:
    """One of 0, …, count - 1."""
    return int(rng.random() * count)


def one_of(values: Sequence[T], rng: Random) -> T:
    """One of the values."""
    return values[int(rng.random() * len(values))]


def some_of(values: Sequence[T], count: int, rng: Random) -> list[T]:
    """So many of the values, at most all, none of them twice."""
    draw, left = rng.random, len(values)
    if count == 1 and left:
        return [values[int(draw() * left)]]
    if count == 2 and left > 1:
        one, other = int(draw() * left), int(draw() * (left - 1))
        return [values[one], values[other + (other >= one)]]
    order = list(values)
    for place in range(min(count, left)):  # the first of a shuffled order
        other = place + int(draw() * (left - place))
        order[place], order[other] = order[other], order[place]
    return order[:count]
