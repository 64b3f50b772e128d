"""A torch optimizer as a part: its options are what its constructor has defaults for, and what a run decides is none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mtk.host.optimizers import decays, is_recordable, optimizer_options, why_no_optimizer


def test_options_are_read_by_their_defaults() -> None:
    options = optimizer_options(torch.optim.AdamW)
    assert {"betas", "eps", "amsgrad"} <= options.keys()
    assert not options.keys() & {"params", "lr", "weight_decay", "fused", "capturable"}
    assert options["betas"].read("0.8/0.9") == (0.8, 0.9)
    assert optimizer_options(torch.optim.SGD)["momentum"].read("0.9") == 0.9  # whose default is the integer 0


def test_what_it_can_do() -> None:
    assert is_recordable(torch.optim.AdamW) and not is_recordable(torch.optim.SGD)
    assert decays(torch.optim.SGD) and not decays(torch.optim.SparseAdam)


class Asks(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, rank: int) -> None:
        super().__init__(params, {"lr": lr, "rank": rank})


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (torch.nn.Linear, "is not a subclass of torch.optim.Optimizer"),
        (Asks, "has a constructor that asks for `rank`, which nobody gives it"),
        (torch.optim.AdamW, None),
    ],
)
def test_what_is_none(cls: type, reason: str | None) -> None:
    found = why_no_optimizer(cls)
    assert found is None if reason is None else reason in (found or "")
