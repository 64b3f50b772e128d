"""Where each sequence lies in a packed one, and in which type a pass computes."""

from __future__ import annotations

import pytest
import torch

from mtk.engine.packing.layout import Block, Layout, Pass
from mtk.engine.task_gradients import TaskGradients

CPU = torch.device("cpu")


def block(row: int, sequences: int, length: int) -> Block:
    return Block(row, sequences, length, torch.ones(sequences, 1, 1, length, dtype=torch.bool))


def rows() -> TaskGradients:
    return TaskGradients({"layer": [torch.nn.Parameter(torch.ones(1))]}, 1)


def test_blocks_lie_end_to_end_and_neighbours_of_one_row_are_one_span() -> None:
    layout = Layout([block(0, 2, 5), block(1, 3, 4), block(1, 1, 7), block(0, 1, 2)])
    assert (layout.sizes, layout.tokens) == ([10, 12, 7, 2], 31)
    assert layout.spans == [(0, slice(0, 10)), (1, slice(10, 29)), (0, slice(29, 31))]
    assert layout.row_of_token(CPU).tolist() == [0] * 10 + [1] * 19 + [0] * 2


@pytest.mark.parametrize("blocks", [[(0, 1, 1)], [(2, 3, 4)], [(0, 2, 3), (1, 2, 3), (2, 2, 3)]])
def test_every_token_is_in_one_span(blocks: list[tuple[int, int, int]]) -> None:
    layout = Layout([block(*each) for each in blocks])
    covered = [token for _, span in layout.spans for token in range(span.start, span.stop)]
    assert covered == list(range(layout.tokens))
    of_blocks = [row for row, sequences, length in blocks for _ in range(sequences * length)]
    assert layout.row_of_token(CPU).tolist() == of_blocks


def test_what_goes_into_several_products_is_cast_once() -> None:
    current, x = Pass(Layout([block(0, 1, 3)]), rows(), {}), torch.ones(3, 2)
    assert current.as_computed(x) is x
    with torch.autocast("cpu", torch.bfloat16):
        cast = current.as_computed(x)
        assert cast.dtype == torch.bfloat16
        assert current.as_computed(x) is cast
        assert current.as_computed(torch.ones(3, 2)) is not cast
        current.forget()
        assert current.as_computed(x) is not cast
