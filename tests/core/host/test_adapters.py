"""An adapter is read from text as other parts are, with its options checked before anything heavy is imported."""

from __future__ import annotations

import pytest

import mtk
from mtk.adapter import Ia3, Lora
from mtk.host.adapters import read_adapter


def test_text_becomes_an_adapter() -> None:
    assert read_adapter("") is None
    assert read_adapter("lora") == Lora()
    assert read_adapter("lora:r=4,lora_dropout=0.1,target_modules=query/value,use_dora=true") == Lora(
        r=4, lora_dropout=0.1, target_modules=["query", "value"], use_dora=True
    )
    assert read_adapter("ia3:feedforward_modules=dense") == Ia3(feedforward_modules=["dense"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prefix", "there is no adapter 'prefix'. Known: ia3, loha, lokr, lora"),
        ("lora:r=x", "'x' is no value for option 'r' of 'lora': it takes int, ≥ 1"),
        ("lora:lora_dropout=1", "it takes float, ≥ 0, < 1"),
        ("lora:", "is not an option"),
    ],
)
def test_a_mistake_is_said(text: str, message: str) -> None:
    with pytest.raises(mtk.UsageError, match=message):
        read_adapter(text)
