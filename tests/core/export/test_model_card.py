"""The card tells what the run measured and recorded, what it was made of and under which licences, and of no machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml
from hub_standin import Hub

import mtk
from mtk import hub
from mtk.export.model_card import model_card
from mtk.study.record import read_run

pytest.importorskip("datasets", reason="the extra hub is not installed")

OLD = Path(__file__).parents[2] / "runs" / "format-3"


def test_the_card_has_what_the_run_measured_and_no_path_of_this_machine(trained: Path) -> None:
    run = read_run(trained)
    assert run.plan
    from_run = "sst: its head begins anew, for /home/me/runs/first has no such task"
    run = replace(run, plan=msgspec.structs.replace(run.plan, notes=[from_run]))
    card = model_card(run, "# A title\n\nHow it is used.", "transformers", "moods")
    assert "- sst: its head begins anew, for first has no such task" in card
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


def test_a_run_that_recorded_no_plan_has_none() -> None:
    with pytest.raises(mtk.DataError, match=r"has no card: it was made by a release before 0\.2"):
        model_card(replace(read_run(OLD), plan=None), "# A title", "onnx", "x")
