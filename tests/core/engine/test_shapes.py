"""Steps are padded to few shapes, none shorter than a step needs, and not much longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random

import building
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from mtk.data.tokens import Batch, TokenizedSplit
from mtk.engine.cuda_graphs import RecordedSteps
from mtk.engine.packing import room_for
from mtk.engine.shapes import MOST, WORST, Axis, Boxes, Shapes, Widest, rounded

axes = st.lists(
    st.builds(
        lambda sequences, counts: Axis(sequences, [16 * n for n in range(1, len(counts) + 1)], counts),
        st.integers(1, 16),
        st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any),
    ),
    min_size=1,
    max_size=4,
)


def steps(axes: Sequence[Axis]) -> list[tuple[int, ...]]:
    """All lengths that a step can need."""
    return list(product(*(axis.lengths for axis in axes)))


def tokens(axes: Sequence[Axis], boxes: Boxes | None = None) -> float:
    """Of a step, on average over those that are expected."""
    total = weight = 0.0
    for needed in steps(axes):
        share = 1.0
        for axis, length in zip(axes, needed, strict=True):
            share *= axis.counts[axis.lengths.index(length)]
        padded = boxes.of(needed) if boxes else needed
        total += share * sum(axis.sequences * length for axis, length in zip(axes, padded, strict=True))
        weight += share
    return total / weight


@given(axes=axes, most=st.integers(1, 12))
def test_no_step_is_cut_and_no_more_shapes_are_met_than_may_be(axes: list[Axis], most: int) -> None:
    boxes = Boxes(axes, most)
    met = set()
    for needed in steps(axes):
        padded = boxes.of(needed)
        assert all(length >= least for length, least in zip(padded, needed, strict=True))
        assert boxes.of(padded) == padded, "what is padded to a shape has it"
        if all(axis.counts[axis.lengths.index(length)] for axis, length in zip(axes, needed, strict=True)):
            met.add(tuple(padded))
    assert len(met) <= most


@given(axes=axes)
def test_more_shapes_pad_less_and_enough_of_them_not_at_all(axes: list[Axis]) -> None:
    padded = [tokens(axes, Boxes(axes, most)) for most in (1, 4, 16, 10_000)]
    assert padded == sorted(padded, reverse=True)
    assert padded[-1] == pytest.approx(tokens(axes))


def test_the_best_cut_comes_first() -> None:
    rarely_long = Axis(8, [16, 32, 128], [50, 49, 1])
    even = Axis(8, [16, 32], [50, 50])
    boxes = Boxes([rarely_long, even], 2)
    assert boxes.of([16, 16]) == [32, 32]
    assert boxes.of([128, 16]) == [128, 32]


def test_lengths_that_never_came_take_no_shape() -> None:
    boxes = Boxes([Axis(8, [16, 32, 128], [5, 5, 0]), Axis(8, [16, 32, 128], [5, 5, 0])], 1)
    assert boxes.of([16, 32]) == [32, 32]
    assert boxes.of([128, 16])[0] == 128, "and are padded all the same"


def test_lengths_are_multiples_but_not_longer_than_is_allowed() -> None:
    assert [rounded(n, 40) for n in (1, 16, 17, 33, 40)] == [16, 16, 32, 40, 40]


STUDY = Path(__file__).parents[4] / "shared" / "data" / "cs224n"
SAMPLE = Path(__file__).parents[3] / "plugins" / "tasks" / "mtk_tasks" / "sample"


@pytest.fixture(scope="module")
def eight() -> dict[str, TokenizedSplit]:
    """Eight tasks of the study's data, where it is, or else of the sample corpus: each of three several times, its pairs
    read as one sequence or as two."""
    from mtk.plan import find_encoder

    tokenizer = AutoTokenizer.from_pretrained(find_encoder("minilm", building.REGISTRY).source)
    found = {}
    for name, data in building.read_tasks(STUDY if STUDY.is_dir() else SAMPLE, bad_rows="skip").items():
        for number, encoding in enumerate(("joint", "separate", "joint")):
            how = {"pair_encoding": encoding, "max_length": 128, "device": torch.device("cpu")}
            found[f"{name}-{number}"] = TokenizedSplit(data.train, tokenizer, **how)  # type: ignore[arg-type]
    return dict(list(found.items())[:8])


class Recorded:
    """Stands for a recording of a step that does nothing."""

    kept = most = 0

    def __init__(self, work: object) -> None:
        Recorded.kept += 1
        Recorded.most = max(Recorded.most, Recorded.kept)

    def replay(self) -> None:
        pass

    def free(self) -> None:
        Recorded.kept -= 1


def test_without_padding_few_sizes_hold_the_steps_of_eight_tasks(eight: dict[str, TokenizedSplit]) -> None:
    size = 8
    widest = Widest(eight, dict.fromkeys(eight, size))
    streams = {name: t.batches(size, Random(name)) for name, t in eight.items()}

    def rooms(batches: Mapping[str, Sequence[Batch]]) -> tuple[int, ...]:
        return (room_for(sum(parts[0].tokens for parts in batches.values())),)

    make = RecordedSteps(lambda batches: None, Recorded, rooms=rooms)  # type: ignore[arg-type,return-value]
    Recorded.kept = Recorded.most = has_room = own = 0
    for _ in range(1_000):
        examples = {name: [stream.take(size)] for name, stream in streams.items()}
        lengths = widest.of(examples)
        batches = {name: [eight[name].batch(parts[0], lengths[name])] for name, parts in examples.items()}
        for name, (part,) in examples.items():
            assert all(
                length >= longest for (_, longest), length in zip(eight[name].shape(part), lengths[name], strict=True)
            )
        make(batches)
        has_room, own = has_room + rooms(batches)[0], own + sum(parts[0].tokens for parts in batches.values())
    assert make.replayed > 0.97 * make.made
    assert Recorded.most <= 20
    assert has_room < 1.08 * own


def test_nine_of_ten_steps_of_eight_tasks_are_replays(eight: dict[str, TokenizedSplit]) -> None:
    count, size = 1_000, 8
    shapes = Shapes(eight, dict.fromkeys(eight, size), count, turns=1)
    streams = {name: t.batches(size, Random(name)) for name, t in eight.items()}
    make = RecordedSteps(lambda batches: None, Recorded)  # type: ignore[arg-type,return-value]
    padded = own = 0
    for _ in range(count):
        examples = {name: [stream.take(size)] for name, stream in streams.items()}
        lengths = shapes.of(examples)
        make({name: [eight[name].batch(parts[0], lengths[name])] for name, parts in examples.items()})
        step_padded = step_own = 0
        for name, (part,) in examples.items():
            for (sequences, longest), length in zip(eight[name].shape(part), lengths[name], strict=True):
                assert length >= longest
                step_padded += sequences * length
                step_own += sequences * rounded(longest, 128)
        assert step_padded <= WORST * step_own
        padded, own = padded + step_padded, own + step_own
    assert make.replayed / make.made >= 0.9
    assert Recorded.most <= MOST
    assert padded / own <= 1.6
