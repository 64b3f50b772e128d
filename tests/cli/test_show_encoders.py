"""`mtk show` of an encoder: what it is like, and whether the tasks pass it at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

Install = Callable[..., Path]

PLUGIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.encoder("small", "clinic_data:encoder", hub_id="clinic/small", summary="two layers")
    registry.encoder("away", "clinic_absent:encoder", hub_id="clinic/away", summary="not here")
"""


def show(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["show", *arguments])


def test_an_encoder_whose_folder_is_there_is_looked_into(install: Install, tiny_encoder: Path) -> None:
    site = install("clinic", {"clinic": PLUGIN}, {"ward": "clinic"})
    shutil.copytree(tiny_encoder, site / "clinic_data" / "encoder")
    result = show("small")
    assert result.exit_code == 0, result.stderr
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    for line in (["architecture", "BertModel"], ["layers", "2"], ["width", "32"], ["positions", "128"]):
        assert line in [[cell.strip() for cell in found] for found in lines]
    assert "tasks         all at once" in result.stdout
    assert f"In {site / 'clinic_data' / 'encoder'}" in result.stdout


def test_an_encoder_that_is_not_there_is_named_with_its_place_on_the_hub(install: Install) -> None:
    install("clinic", {"clinic": PLUGIN}, {"ward": "clinic"})
    assert "Taken from the hub: clinic/away" in show("away").stdout
    (card,) = json.loads(show("away", "--json").stdout)
    assert card["properties"] == {}


def test_a_directory_is_shown_as_the_encoder_in_it(tiny_encoder: Path) -> None:
    (card,) = json.loads(show(str(tiny_encoder), "--json").stdout)
    assert (card["kind"], card["name"], card["package"]) == ("encoder", str(tiny_encoder), "")
    properties = card["properties"]
    assert properties["vocabulary"] == len(json.loads((tiny_encoder / "tokenizer.json").read_text())["model"]["vocab"])
    assert properties["parameters"] > properties["vocabulary"] * 32
    assert (properties["layers"], properties["width"], properties["tasks"]) == (2, 32, "all at once")
    assert show(str(tiny_encoder)).stdout.startswith(f"encoder {tiny_encoder}: BertModel\n")


def test_what_keeps_tasks_from_passing_at_once_is_told(tmp_path: Path, tiny_encoder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, DebertaV2Config, DebertaV2Model

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    config = DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, relative_attention=True, pos_att_type=["c2p", "p2c"], type_vocab_size=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        DebertaV2Model(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (card,) = json.loads(show(str(tmp_path), "--json").stdout)
    assert card["properties"]["tasks"].startswith("one after the other: ")
    assert len(card["properties"]["tasks"]) > len("one after the other: ") + 10


def test_a_directory_without_an_encoder_says_so(tmp_path: Path) -> None:
    result = show(str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: The directory '{tmp_path}' holds no encoder that transformers")


@pytest.mark.parametrize("name", ["cnn", "pcgrad", "tensorboard"])
def test_only_encoders_have_properties(name: str) -> None:
    (card,) = json.loads(show(name, "--json").stdout)
    assert card["properties"] == {}
