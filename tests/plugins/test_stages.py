"""Masked language modelling: what is hidden is as with BERT, the output layer is the input's table, and padding has no part
in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import building
import pytest
import torch

import mtk
from mtk_stages.mlm import MaskedLanguageModelling


def stage(encoder: Path, **options: Any) -> tuple[MaskedLanguageModelling, Any]:
    built = building.encoder(encoder)
    table = built.backbone.get_input_embeddings().weight
    return MaskedLanguageModelling(built.width, built.tokenizer, table, **options), built


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_what_is_hidden_is_as_the_paper_says(tiny_encoder: Path, share: float) -> None:
    mlm, encoder = stage(tiny_encoder, share=share)
    torch.manual_seed(0)
    ids = torch.randint(5, 60, (200, 100))
    ids[:, 0], ids[:, 1] = encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id
    mask = (torch.arange(100) < 80).long().expand_as(ids)
    chosen, hidden = mlm.hide(ids, mask)
    assert not chosen[:, :2].any(), "special tokens are not guessed"
    assert not chosen[:, 80:].any(), "nor is padding"
    assert chosen[:, 2:80].float().mean() == pytest.approx(share, abs=0.01)
    assert torch.equal(hidden[~chosen], ids[~chosen])
    is_mask = hidden[chosen] == encoder.tokenizer.mask_token_id
    other = (hidden[chosen] != ids[chosen]) & ~is_mask
    assert is_mask.float().mean() == pytest.approx(0.8, abs=0.02)
    assert other.float().mean() == pytest.approx(0.1, abs=0.015)


def test_the_output_layer_is_the_table_of_the_input(tiny_encoder: Path) -> None:
    mlm, encoder = stage(tiny_encoder)
    table = encoder.backbone.get_input_embeddings().weight
    assert not any(parameter is table or parameter.shape == table.shape for parameter in mlm.parameters())
    inputs = dict(encoder.tokenizer(["the dog is happy", "the cat"] * 8, padding=True, return_tensors="pt"))
    torch.manual_seed(0)
    loss = mlm(inputs, encoder, table)
    assert float(loss) == pytest.approx(torch.tensor(float(len(table))).log().item(), rel=0.2)  # where it begins
    loss.backward()
    unseen = table.grad[encoder.tokenizer.convert_tokens_to_ids("horse")]  # a word that stands in no text
    assert unseen.any(), "also what is not looked up gets a gradient, from the output"


def test_a_batch_in_which_nothing_is_hidden_costs_nothing(tiny_encoder: Path) -> None:
    mlm, encoder = stage(tiny_encoder, share=1e-12)
    inputs = dict(encoder.tokenizer(["the dog"], return_tensors="pt"))
    loss = mlm(inputs, encoder, encoder.backbone.get_input_embeddings().weight)
    loss.backward()
    assert float(loss) == 0


def test_a_tokenizer_without_a_mask_is_a_mistake_of_the_users(tiny_encoder: Path) -> None:
    encoder = building.encoder(tiny_encoder)
    encoder.tokenizer.mask_token = None
    with pytest.raises(mtk.UsageError, match="mlm: the encoder's tokenizer has no token for what is hidden"):
        MaskedLanguageModelling(encoder.width, encoder.tokenizer, encoder.backbone.get_input_embeddings().weight)
