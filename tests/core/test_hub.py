"""A revision becomes a commit, files come from there or from the cache, and whatever is wrong is one line, at once."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import huggingface_hub
import pytest
from hub_standin import TOKEN, Hub, led_to
from huggingface_hub import constants

import mtk
from mtk import hub
from mtk.adapter import Lora
from mtk.model.adapting import adapt, merged, save_adapter
from mtk.model.encoder import load_parts

pytest.importorskip("datasets", reason="the extra hub is not installed")

NAME = "org/tiny"


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    led_to(address, tmp_path, monkeypatch)
    return address


def test_a_revision_is_a_branch_or_a_commit(standin: Hub, tiny_encoder: Path) -> None:
    repository, first = standin.add("model", NAME, tiny_encoder)
    second = repository.commit({"README.md": b"# Better"})
    repository.branches["old"] = first
    assert hub.commit_of("model", NAME, None) == hub.Pin(second)
    assert hub.commit_of("model", NAME, "old") == hub.Pin(first)
    asked = len(standin.asked)
    assert hub.commit_of("model", NAME, first) == hub.Pin(first)
    assert len(standin.asked) == asked, "a commit stands for itself"


def test_an_encoder_is_what_it_was_at_its_commit(standin: Hub, tiny_encoder: Path) -> None:
    repository, first = standin.add("model", NAME, tiny_encoder)
    repository.commit({"config.json": b"{}", "onnx/model.onnx": b"x" * 100, "pytorch_model.bin": b"x" * 100})
    one, other = load_parts(NAME, revision=first), load_parts(str(tiny_encoder))
    saved = dict(other.backbone.named_parameters())
    for key, own in one.backbone.named_parameters():
        assert own.equal(saved[key]) or key.startswith("pooler."), "a pooler begins from noise"
    assert one.tokenizer("the dog")["input_ids"] == other.tokenizer("the dog")["input_ids"]
    hub.model_files(NAME, None)
    assert not any("onnx" in line or ".bin" in line for line in standin.asked), "and nothing else is loaded down"


def test_what_is_in_the_cache_is_not_loaded_down_again(standin: Hub, tiny_encoder: Path) -> None:
    _, commit = standin.add("model", NAME, tiny_encoder)
    found = hub.model_files(NAME, commit)
    standin.asked.clear()
    assert hub.model_files(NAME, commit) == found
    asked = f"GET /api/models/{NAME}/revision/{commit}"  # which huggingface_hub 1 asks for all the same
    assert standin.asked == ([] if int(huggingface_hub.__version__.partition(".")[0]) > 1 else [asked])


@pytest.mark.parametrize("how", ["offline", "out of order", "gone"])
def test_without_the_hub_the_last_copy_is_used_and_said(
    standin: Hub, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    _, commit = standin.add("model", NAME, tiny_encoder)
    hub.model_files(NAME, hub.commit_of("model", NAME, None).commit)
    standin.asked.clear()
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "out of order":
        standin.down = 503
    else:
        standin.shutdown()
        standin.server_close()
    began = time.perf_counter()
    pin = hub.commit_of("model", NAME, None)
    assert pin.commit == commit
    assert pin.note is not None
    assert f"the copy that was loaded down before is used, {commit}" in pin.note
    assert load_parts(NAME, revision=pin.commit).backbone
    assert time.perf_counter() - began < 10
    assert standin.asked == [] or how == "out of order"


def test_what_was_not_loaded_down_before_is_not_there_without_the_hub(
    unreachable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.perf_counter()
    with pytest.raises(mtk.UsageError, match=rf"The model 'org/tiny' cannot be had: {unreachable} cannot be reached"):
        hub.commit_of("model", NAME, None)
    assert time.perf_counter() - began < 10, "no attempt is repeated"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(mtk.UsageError, match="HF_HUB_OFFLINE forbids to ask the hub, and no whole copy"):
        hub.commit_of("dataset", NAME, None)


@pytest.mark.parametrize(
    ("name", "revision", "token", "message"),
    [
        ("org/nothing", None, TOKEN, "has no model 'org/nothing', or it is private. Check the name"),
        ("org/nothing", None, None, "has no model 'org/nothing', or it is private"),
        ("org/private", None, None, "has no model 'org/private', or it is private: .*|or it is private. Check the name"),
        ("org/tiny", "v9", TOKEN, "of http.* has no revision 'v9', which is a branch, a tag or a commit"),
        ("org/tiny", None, "hf_wrong", "refuses the token: it is no valid one. Look at HF_TOKEN"),
        ("org//tiny", None, TOKEN, "'org//tiny' is no id of the hub"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_said(
    standin: Hub,
    monkeypatch: pytest.MonkeyPatch,
    tiny_encoder: Path,
    name: str,
    revision: str | None,
    token: str | None,
    message: str,
) -> None:
    standin.add("model", "org/tiny", tiny_encoder)
    standin.add("model", "org/private", tiny_encoder, private=True)
    monkeypatch.setenv("HF_TOKEN", token or "")
    with pytest.raises(mtk.UsageError, match=message) as caught:
        hub.commit_of("model", name, revision)
    assert "\n" not in str(caught.value)


def test_a_private_one_is_read_with_the_token(standin: Hub, tiny_encoder: Path) -> None:
    _, commit = standin.add("model", "org/private", tiny_encoder, private=True)
    assert hub.commit_of("model", "org/private", None).commit == commit
    assert {*standin.tokens} == {f"Bearer {TOKEN}"}


def test_an_adapter_is_merged_into_the_encoder_that_it_names_at_its_commit(
    standin: Hub, tiny_encoder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="the extra peft is not installed")
    encoder, commit = standin.add("model", NAME, tiny_encoder)
    backbone = load_parts(NAME, revision=commit).backbone
    adapt(backbone, Lora(), NAME, commit)
    for parameter in backbone.parameters():
        parameter.data += 0.1 * parameter.requires_grad
    save_adapter(backbone, tmp_path / "adapter")
    standin.add("model", "org/adapter", tmp_path / "adapter")
    encoder.commit({"config.json": b"{}"})
    wanted, found = (dict(b.named_parameters()) for b in (merged(backbone), load_parts("org/adapter").backbone))
    for key, own in found.items():
        assert own.allclose(wanted[key]) or key.startswith("pooler.")


def test_a_connection_that_breaks_in_a_file_leaves_no_half_of_one(
    standin: Hub, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts
    _, commit = standin.add("model", NAME, tiny_encoder)
    standin.cut = "model.safetensors"
    with pytest.raises(
        mtk.UsageError, match=r"could not be taken from the hub as 'org/tiny': .*cannot be reached"
    ) as caught:
        load_parts(NAME, revision=commit)
    assert "\n" not in str(caught.value)
    standin.cut = None
    assert load_parts(NAME, revision=commit).backbone


def test_weights_that_are_a_pickle_are_not_loaded_down(standin: Hub, tiny_encoder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    files = {p.name: p.read_bytes() for p in tiny_encoder.iterdir() if p.suffix != ".safetensors"}
    path = Path(constants.HF_HUB_CACHE).parent / "pickle.bin"
    torch.save(load_file(tiny_encoder / "model.safetensors"), path)
    standin.add("model", NAME, {**files, "pytorch_model.bin": path.read_bytes()})
    with pytest.raises(mtk.UsageError, match=r"has no weights as safetensors on the hub\. .* --allow-pickle reads it"):
        load_parts(NAME)
    assert not any(".bin" in line for line in standin.asked)
    assert load_parts(NAME, allow_pickle=True).backbone
