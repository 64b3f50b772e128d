"""The tiny encoder that authors test with: always the same, reads any text, and learns."""

from __future__ import annotations

from pathlib import Path

import building
import torch

from mtk.testing import tiny_encoder


def test_it_is_the_same_every_time_and_leaves_the_generator_alone(tmp_path: Path) -> None:
    before = torch.default_generator.get_state()
    one, other = (tiny_encoder(tmp_path / name) / "model.safetensors" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert torch.equal(torch.default_generator.get_state(), before)


def test_it_reads_any_text_by_letters_and_its_words_whole(tmp_path: Path) -> None:
    tokenizer = building.encoder(tiny_encoder(tmp_path / "encoder", words=("film", "slow"))).tokenizer
    assert tokenizer.tokenize("Slow film, no?") == ["slow", "film", ",", "n", "##o", "?"]


def test_it_gives_gradients(tmp_path: Path) -> None:
    encoder = building.encoder(str(tiny_encoder(tmp_path / "encoder")))
    inputs = encoder.tokenizer(["a b", "c"], padding=True, return_tensors="pt")
    encoding = encoder(dict(inputs))
    assert encoding.embedding.shape == (2, 32)
    encoding.embedding.square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
