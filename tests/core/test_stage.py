"""What is a stage by its contract, and the options that every one of them takes."""

from __future__ import annotations

from torch import Tensor

import mtk
from mtk.host.contracts import framework_options, why_not


class Still(mtk.Stage):
    def forward(self, embeddings: Tensor) -> Tensor:
        return embeddings.square().mean()


class Without(mtk.Stage):
    pass


class Labelled(mtk.Stage):
    def forward(self, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
        return labels.mean()


def test_what_is_a_stage() -> None:
    assert why_not("stage", Still) is None
    assert "does not define `forward(self, inputs, encode, embeddings)`" in (why_not("stage", Without) or "")
    assert "it asks for `labels`, and it is offered inputs, encode, embeddings" in (why_not("stage", Labelled) or "")
    assert list(framework_options("stage", Still)) == ["epochs", "batch", "lr"]
