"""The smallest pooling of the contract's page is one and does what it says; what lacks its method is none."""

from __future__ import annotations

import torch
from torch import Tensor

import mtk
from mtk.host.contracts import why_not


class Last(mtk.Pooling):
    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return tokens[torch.arange(len(tokens)), mask.sum(dim=1) - 1]


class Without(mtk.Pooling):
    pass


class Misnamed(mtk.Pooling):
    def forward(self, tokens: Tensor, layer: Tensor) -> Tensor:
        return tokens


def test_what_is_a_pooling() -> None:
    assert why_not("pooling", Last) is None
    assert "does not define `forward(self, tokens, mask, layers)`" in (why_not("pooling", Without) or "")
    assert "it asks for `layer`, and it is offered tokens, mask, layers" in (why_not("pooling", Misnamed) or "")


def test_the_smallest_takes_the_last_token() -> None:
    tokens = torch.arange(12.0).view(2, 3, 2)
    assert Last()(tokens, torch.tensor([[1, 1, 0], [1, 1, 1]])).tolist() == [[2, 3], [10, 11]]
