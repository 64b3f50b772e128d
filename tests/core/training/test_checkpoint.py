"""A saved model comes back as it was, and whatever was cut, edited or lost in it is noticed before it is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import building
import msgspec
import pytest
import torch
from three_tasks import TASKS

import mtk
from mtk.host.registry import Registry
from mtk.model.multitask import Model
from mtk.training import checkpoint

HEADS = {"sst": "cnn:channels=8", "para": "linear", "sts": "cosine"}
PARTS = {task: building.REGISTRY.part("head", text) for task, text in HEADS.items()}


@pytest.fixture
def model(tiny_encoder: Path) -> Model:
    torch.manual_seed(3)
    return building.model(tiny_encoder, TASKS, HEADS, 32).eval()


def test_it_comes_back_to_the_last_bit(model: Model, tmp_path: Path) -> None:
    checkpoint.save(model, building.pooling(), PARTS, tmp_path / "model")
    again = checkpoint.load(tmp_path, device="cpu", precision="fp32")
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert again.tasks == model.tasks
    assert (again.max_length, type(again.encoder.pooling).__name__, again.training) == (32, "Mean", False)
    assert checkpoint.load(tmp_path / "model", device="cpu").tasks == model.tasks, "or by the model's own directory"


def test_saving_again_takes_the_place_of_what_is_there(model: Model, tmp_path: Path) -> None:
    checkpoint.save(model, building.pooling(), PARTS, tmp_path / "model")
    with torch.no_grad():
        next(model.heads.parameters()).add_(1)
    checkpoint.save(model, building.pooling(), PARTS, tmp_path / "model")
    again = checkpoint.load(tmp_path, device="cpu")
    assert torch.equal(next(again.heads.parameters()), next(model.heads.parameters()))
    assert [path.name for path in tmp_path.iterdir()] == ["model"], "nothing partial is left"


def test_the_card_says_where_every_head_came_from_and_the_manifest_what_every_file_holds(
    model: Model, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    checkpoint.save(model, building.pooling(), PARTS, directory)
    card = msgspec.json.decode((directory / checkpoint.CARD).read_bytes(), type=checkpoint.Card)
    head = card.heads["sst"]
    assert (head.name, head.package, head.options) == ("cnn", "multitask-toolkit", {"channels": "8"})
    manifest = msgspec.json.decode((directory / checkpoint.MANIFEST).read_bytes(), type=checkpoint.Manifest)
    there = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}
    assert manifest.files.keys() == there - {checkpoint.MANIFEST}, "every other file has its digest"
    assert manifest.files[checkpoint.CARD] == sha256((directory / checkpoint.CARD).read_bytes()).hexdigest()


def test_a_manifest_that_leads_out_of_the_model_is_refused(model: Model, tmp_path: Path) -> None:
    checkpoint.save(model, building.pooling(), PARTS, tmp_path / "model")
    path = tmp_path / "model" / checkpoint.MANIFEST
    manifest = msgspec.json.decode(path.read_bytes())
    manifest["files"]["../elsewhere"] = "0" * 64
    path.write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(mtk.DataError, match=r"'\.\./elsewhere' lies outside of the model"):
        checkpoint.load(tmp_path, device="cpu")


def test_a_head_that_is_not_here_is_named_with_its_package(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(model, building.pooling(), PARTS, tmp_path / "model")
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "heads")
    with pytest.raises(mtk.UsageError, match=r"Task '\w+' was trained with the head '.*' of multitask-toolkit .*not here"):
        checkpoint.load(tmp_path, device="cpu", registry=Registry())


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(mtk.DataError, match="holds no model"):
        checkpoint.load(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize(
    "file",
    [
        "model/heads/sst.safetensors",
        "model/encoder/model.safetensors",
        "model/encoder/config.json",
        "model/encoder/tokenizer.json",
    ],
)
def test_a_damaged_file_is_named(finished: mtk.Result, tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.out, copy)
    damage(copy / file)
    with pytest.raises(mtk.DataError, match=Path(file).name):
        mtk.load(copy, device="cpu")


EDITS: dict[str, Callable[[str], str]] = {
    "cut": lambda card: card[:-30],
    "value": lambda card: card.replace('"name": "mean"', '"name": 7'),
    "task": lambda card: card.replace('"sst"', '"xyz"', 1),
    "emptied": lambda card: "",
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_card_is_noticed(finished: mtk.Result, tmp_path: Path, edit: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.out, copy)
    card = copy / "model" / "model.json"
    card.write_text(EDITS[edit](card.read_text()))
    with pytest.raises(mtk.DataError, match=r"model\.json"):
        mtk.load(copy, device="cpu")
