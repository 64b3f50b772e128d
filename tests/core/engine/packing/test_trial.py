"""The trial tells for whom the packed form is right, and why it is not for others."""

from __future__ import annotations

import pytest
import torch
from three_tasks import BERT, make_model
from torch import Tensor, nn

from mtk.engine.packing import routing, why_plain


def test_a_route_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_model(BERT).encoder
    assert why_plain(encoder, ["input_ids"]) is None
    monkeypatch.setitem(routing._ROUTES, nn.Linear, lambda self, x: routing._linear(self, x * 1.01) / 1.01)
    assert why_plain(encoder, ["input_ids"])


def test_a_parameter_that_is_used_in_another_way_is_noticed() -> None:
    encoder = make_model(BERT).encoder
    backbone = encoder.backbone
    scale = nn.Parameter(torch.ones((), dtype=torch.float64))
    backbone.register_parameter("scale", scale)
    backbone.encoder.register_forward_pre_hook(lambda module, args: (args[0] * scale, *args[1:]))
    assert why_plain(encoder, ["input_ids"])


def test_a_failure_within_the_encoder_leaves_it_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_model(BERT).encoder
    backbone = encoder.backbone

    def fail(self: nn.LayerNorm, x: Tensor) -> Tensor:
        raise RuntimeError

    monkeypatch.setitem(routing._ROUTES, nn.LayerNorm, fail)
    assert why_plain(encoder, ["input_ids"])
    assert all("forward" not in module.__dict__ for module in backbone.modules())
    assert backbone.config._attn_implementation == "sdpa"
