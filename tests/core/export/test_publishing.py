"""A run's model is pushed with its card in one commit, and comes back as it was; what the hub refuses is a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from command_line import invoke
from exported import TEXTS, answers
from hub_standin import Hub, led_to, running
from huggingface_hub import constants

import mtk
from mtk.export.model_card import model_card
from mtk.export.publishing import push
from mtk.model.encoder import load_parts
from mtk.study.record import read_run

pytest.importorskip("datasets", reason="the extra hub is not installed")


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as found:
        led_to(found.address, tmp_path / "home", monkeypatch)
        yield found


def test_what_is_pushed_comes_back_as_it_was(standin: Hub, trained: Path, tmp_path: Path) -> None:
    result = invoke("push", str(trained), "somebody/moods", "--private")
    assert result.exit_code == 0, result.output
    repository = standin.repositories["model", "somebody/moods"]
    assert repository.private
    assert len(repository.commits) == 2, "the hub's own, and one with everything"
    assert result.stdout == f"{standin.address}/somebody/moods/commit/{repository.branches['main']}: " + (
        "the model with its card; name its licence there\n"
    )
    files = repository.commits[repository.branches["main"]]
    for name, content in files.items():
        (tmp_path / "back" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "back" / name).write_bytes(content)
    predicted = mtk.load(trained, device="cpu").predict("sst", TEXTS)
    assert [answer["prediction"] for answer in answers(tmp_path / "back", "sst", TEXTS)] == predicted
    back, own = (load_parts(name).backbone for name in ("somebody/moods", str(trained / "model" / "encoder")))
    for one, other in zip(back.encoder.parameters(), own.encoder.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_second_push_is_a_second_commit_and_a_branch_leaves_the_others(standin: Hub, trained: Path) -> None:
    push(trained, "somebody/moods", tasks=["sst"])
    repository = standin.repositories["model", "somebody/moods"]
    first = repository.branches["main"]
    push(trained, "somebody/moods", tasks=["sst"], revision="v2")
    assert repository.branches["main"] == first != repository.branches["v2"]
    assert not repository.private
    with pytest.raises(mtk.UsageError, match="'somebody/moods' is there already, and everybody reads it"):
        push(trained, "somebody/moods", private=True)


@pytest.mark.parametrize(
    ("token", "name", "message"),
    [
        ("", "somebody/x", "needs a token of yours: set HF_TOKEN, or log in"),
        ("hf_wrong", "somebody/x", "refuses the token: it is no valid one"),
        (None, "others/x", r"refuses this with the token .*HTTP 403.*don't have the rights"),
        (None, "a b/x", "'a b/x' is no id of the hub"),
    ],
)
def test_what_the_hub_refuses_is_said(
    standin: Hub, trained: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, name: str, message: str
) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    result = invoke("push", str(trained), name, "--task", "sst")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(message, result.stderr)
    assert len(result.stderr.splitlines()) == 1
    assert not standin.repositories


def test_a_mistake_asks_nothing_of_the_hub_to_change(standin: Hub, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(mtk.UsageError, match="has no task 'stss'"):
        push(trained, "somebody/x", tasks=["stss"])
    with pytest.raises(mtk.UsageError, match="has one task in a repository"):
        push(trained, "somebody/x", to="sentence-transformers")
    with pytest.raises(mtk.DataError, match="is no run"):
        push(tmp_path, "somebody/x")
    assert not standin.repositories
    standin.down = 503
    with pytest.raises(mtk.UsageError, match=r"is out of order \(HTTP 503\)"):
        push(trained, "somebody/x")


def test_the_card_has_what_the_run_measured_and_no_path_of_this_machine(trained: Path) -> None:
    run = read_run(trained)
    card = model_card(run, "# A title\n\nHow it is used.", "transformers", "moods")
    _, front, body = card.split("---\n", 2)
    told = yaml.safe_load(front)
    assert (told["library_name"], told["tags"]) == ("transformers", ["multitask", "multitask-toolkit"])
    assert run.best
    measured = {
        (r["dataset"]["name"], m["type"]): m["value"] for r in told["model-index"][0]["results"] for m in r["metrics"]
    }
    assert measured["sst, development set", "accuracy"] == round(run.best.metrics["sst"]["accuracy"], 4)
    headings = re.findall(r"^## (.*)$", body, re.MULTILINE)
    assert headings == ["Scores", "Data", "Recipe", "Conflict", "Limits", "Licences"]
    assert body.lstrip().startswith("# moods\n\nHow it is used.\n")
    (low, high) = re.search(
        rf"\| sst \| accuracy \| {run.best.metrics['sst']['accuracy']:.4f} \| (\S+) to (\S+) \| 24 \|", body
    ).groups()  # type: ignore[union-attr]
    assert float(low) <= run.best.metrics["sst"]["accuracy"] <= float(high)
    assert "| para | binary | pairs | 48 | 0 | 24 |" in body
    assert "/tmp" not in card
    assert str(trained.parent) not in card


def test_it_names_what_the_hub_gave_with_its_licence(standin: Hub, trained: Path) -> None:
    from dataclasses import replace

    import msgspec

    from mtk import hub

    _, commit = standin.add(
        "model", "org/tiny", {"README.md": b"---\nlicense: apache-2.0\n---\n# x\n", "config.json": b"{}"}
    )
    hub.commit_of("model", "org/tiny", None)
    run = read_run(trained)
    assert run.config
    took = {"encoder org/tiny@main": commit, "data org/moods": "1" * 40}
    run = replace(run, config=msgspec.structs.replace(run.config, revisions=took))
    card = model_card(run, "# A title\n\nUse.", "onnx", "moods")
    assert f"[org/tiny](https://hf.co/org/tiny) at `{commit}`, trained for" in card
    assert "- model org/tiny: apache-2.0\n- data org/moods: its card names none" in card
    told = yaml.safe_load(card.split("---\n")[1])
    assert (told["base_model"], told["datasets"]) == ("org/tiny", ["org/moods"])
