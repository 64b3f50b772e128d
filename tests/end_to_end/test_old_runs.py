"""Runs of every format that there was are read: a directory of each is kept beside the tests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import building
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import spearmanr

import mtk
from mtk_cli import cli

ROUNDING = 2e-6  # of a prediction between 0 and 5 in single precision, after all layers
RUNS = sorted((Path(__file__).parents[1] / "runs").iterdir())


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_its_model_predicts_what_it_did(run: Path) -> None:
    model = mtk.load(run, device="cpu", precision="fp32")
    assert model.predict("sst", ["the dog is happy", "the cat is awful"]) == ["good", "good"]
    (score,) = model.predict("sts", [("the dog eats bread", "the dog eats bread")])
    assert score == pytest.approx(4.61684, abs=1e-3)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_it_is_evaluated_as_it_was(run: Path, tiny_corpus: Path) -> None:
    flags = ("--data", str(tiny_corpus), "--json", "--precision", "fp32")
    result = CliRunner().invoke(cli, ["eval", str(run), *flags])
    assert result.exit_code == 0, result.output
    best = json.loads((run / "summary.json").read_text())["best"]["metrics"]
    for task, metrics in json.loads(result.stdout)["metrics"].items():
        if "spearman" in metrics:
            lowest, highest = over_ties(run, tiny_corpus, task)
            for told in (metrics.pop("spearman"), best[task].pop("spearman")):
                assert lowest - 1e-3 <= told <= highest + 1e-3
        assert metrics == pytest.approx(best[task], abs=1e-3)


def over_ties(run: Path, corpus: Path, task: str) -> tuple[float, float]:
    """The lowest and the highest Spearman correlation of the model's predictions, whether those that are one to rounding are
    one, or in the labels' order, or against it: the corpus has pairs twice, and processors round differently."""
    dev = building.read_tasks(corpus)[task].dev
    model = mtk.load(run, device="cpu", precision="fp32")
    predicted = model.predict_split(task, model.tokenize(task, dev)).double()
    labels = torch.tensor(dev.labels, dtype=torch.double)
    ordered, order = predicted.sort()
    place = torch.empty_like(predicted)
    place[order] = torch.cat([torch.zeros(1), (ordered.diff() > ROUNDING).cumsum(0)]).double()
    apart = torch.arange(len(place)) / 1e6
    found = [
        float(spearmanr(place + ranked, labels).statistic) for ranked in (0, labels / 1e3 + apart, apart - labels / 1e3)
    ]
    return min(found), max(found)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_its_configuration_makes_a_run(run: Path, tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    config = shutil.copy(run / "config.toml", tmp_path / "config.toml")
    flags = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--out", str(tmp_path / "run"))
    result = CliRunner().invoke(cli, ["run", "--config", str(config), *flags])
    assert result.exit_code == 0, result.output


def test_the_newest_format_is_among_them() -> None:
    from mtk.training.checkpoint import Card

    newest = max(Card.__annotations__["format"].removeprefix("Literal[").removesuffix("]").split(", "))
    assert f"format-{newest}" in [run.name for run in RUNS]
