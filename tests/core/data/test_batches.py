"""Batches of like length, every example once a pass."""

from __future__ import annotations

from itertools import chain, islice
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtk.data.batches import GROUP, Batches, Place, by_length, pieces

lengths_of_examples = st.lists(st.integers(1, 60), min_size=1, max_size=300)


@given(count=st.integers(0, 60), size=st.integers(1, 9))
def test_pieces_hold_all_and_none_holds_one_alone(count: int, size: int) -> None:
    found = pieces(range(count), size)
    assert list(chain.from_iterable(found)) == list(range(count))
    assert len(found) == -(-count // size) or (size, count % 2) == (2, 1)
    assert all(len(piece) <= max(size, 3) for piece in found)
    assert size == 1 or count == 1 or all(len(piece) > 1 for piece in found)


@given(lengths=lengths_of_examples, size=st.integers(1, 40), taken=st.integers(0, 200))
def test_what_was_left_off_goes_on_from_its_place(lengths: list[int], size: int, taken: int) -> None:
    first, second = Batches(lengths, size, Random(3)), Batches(lengths, size, Random(8))
    for _ in range(taken):
        next(first)
    kept = msgspec.json.decode(msgspec.json.encode(first.place), type=Place)
    wanted = list(islice(first, 50))
    second.go_to(kept)
    assert list(islice(second, 50)) == wanted


@given(lengths=lengths_of_examples, size=st.integers(1, 40), seed=st.integers(0, 100))
def test_a_pass_holds_every_example_once(lengths: list[int], size: int, seed: int) -> None:
    batches = sum(len(pieces(group, size)) for group in pieces(lengths, GROUP * size))
    passes = Batches(lengths, size, Random(seed))
    for _ in range(2):
        one = list(islice(passes, batches))
        assert sorted(chain.from_iterable(one)) == list(range(len(lengths)))
        assert all(len(batch) <= max(size, 3) for batch in one)


@given(lengths=lengths_of_examples, size=st.integers(1, 40), tokens=st.none() | st.integers(1, 2000))
def test_evaluation_goes_through_every_example_from_the_longest(lengths: list[int], size: int, tokens: int | None) -> None:
    batches = list(by_length(lengths, size, tokens))
    assert all(0 < len(batch) <= size for batch in batches)
    if tokens is not None:
        assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens for batch in batches)
    assert sorted(chain.from_iterable(batches)) == list(range(len(lengths)))
    order = [lengths[i] for i in chain.from_iterable(batches)]
    assert order == sorted(lengths, reverse=True)


def test_little_is_padding() -> None:
    rng = Random(0)
    lengths = [min(100, 5 + int(rng.expovariate(1 / 20))) for _ in range(5000)]
    cells = sum(max(lengths[i] for i in batch) * len(batch) for batch in islice(Batches(lengths, 16, rng), 312))
    assert cells < 1.08 * sum(lengths)


def test_the_seed_decides_the_order() -> None:
    def first(seed: int) -> list[int]:
        return next(Batches(list(range(100)), 8, Random(seed)))

    assert first(0) == first(0)
    assert first(0) != first(1)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 40])
def test_of_any_size_every_example_comes_once_a_pass_and_none_by_itself(count: int) -> None:
    batches = Batches([i % 7 + 1 for i in range(33)], 8, Random(0))
    for _ in range(3):
        taken: list[list[int]] = []
        while sum(map(len, taken)) < 33:
            taken.append(batches.take(count))
        assert sorted(chain(*taken)) == list(range(33))
        assert count == 1 or min(map(len, taken)) > 1
        place = batches.place
        following = [batches.take(3) for _ in range(4)]
        batches.go_to(place)
        assert [batches.take(3) for _ in range(4)] == following
        batches.go_to(place)


def test_sizes_may_change_from_one_to_the_next() -> None:
    batches = Batches([1] * 50, 8, Random(0))
    taken = [batches.take(count) for count in (8, 3, 8, 13, 2, 8, 5, 9)]
    assert sorted(chain(*taken)) == list(range(50))
    place = batches.place
    after = batches.take(5)
    batches.go_to(place)
    assert batches.take(5) == after
