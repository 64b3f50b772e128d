"""The head contract: its smallest example works, and what a head leaves out is what the docstring says it is."""

from __future__ import annotations

import pytest
import torch
from docstring_examples import smallest
from torch import Tensor

from mtk import head
from mtk.head import Encoding, Head


def encoding(examples: int, width: int, seed: int) -> Encoding:
    torch.manual_seed(seed)
    tokens, mask = torch.randn(examples, 5, width), torch.ones(examples, 5)
    return Encoding(tokens, mask, tokens.mean(dim=1))


@pytest.mark.parametrize("inputs", [1, 2])
def test_the_smallest_head_is_one(inputs: int) -> None:
    built = smallest(head, "Average")(width=8, outputs=3, inputs=inputs)
    texts = [encoding(4, 8, seed) for seed in range(inputs)]
    embedding = torch.cat([text.embedding for text in texts], dim=-1)
    torch.testing.assert_close(built(*texts), embedding @ built.score.weight.T + built.score.bias)


def test_a_pair_is_read_separately_unless_the_head_says() -> None:
    assert smallest(head, "Average").pair_encoding == Head.pair_encoding == "separate"


def test_a_head_has_to_have_a_forward() -> None:
    class Unfinished(Head):
        pass

    with pytest.raises(TypeError, match="forward"):
        Unfinished()  # type: ignore[abstract]


def test_what_a_head_learns_is_found_and_saved() -> None:
    class Scale(Head):
        def __init__(self) -> None:
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(3))

        def forward(self, first: Encoding) -> Tensor:
            return first.embedding * self.factor

    assert list(Scale().state_dict()) == ["factor"]
