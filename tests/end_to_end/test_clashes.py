"""A stranger's package that offers the names of mtk's own changes nothing until it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mtk
from mtk.config import read_config
from mtk_cli import cli

PLUGIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    for name in ("cnn", "concat-mlp", "linear"):
        registry.head(name, "stranger_parts:Head", summary="s")
    registry.combiner("sum", "stranger_parts:Double", summary="s")
    registry.augmenter("random-swap", "stranger_parts:Same", summary="s")
    registry.tasks("sample", "stranger_parts:nowhere", summary="s")
    registry.encoder("minilm", "stranger_parts:nowhere", summary="s")
"""
PARTS = """
import mtk, torch

class Head(mtk.Head):
    pair_encoding = "joint"
    def __init__(self, width, outputs):
        super().__init__()
        self.score = torch.nn.Linear(width, outputs)
    def forward(self, first):
        return self.score(first.embedding)

class Double(mtk.LossCombiner):
    def scalarize(self, losses):
        return 2 * losses.sum()

class Same(mtk.Augmenter):
    def __call__(self, words, rng):
        return list(words)
"""
OLD = """
data = "sample"
combiner = "sum"
heads = { sst = "cnn", para = "linear", sts = "concat-mlp" }
augment = { sst = "random-swap:copies=1" }
"""


@pytest.fixture
def site(install: Callable[..., Path]) -> Path:
    return install("stranger", {"stranger": PLUGIN, "stranger_parts": PARTS}, {"stranger": "stranger"})


@pytest.fixture
def run(site: Path, tiny_encoder: Path) -> Callable[..., Result]:
    def run(out: Path, *flags: str) -> Result:
        small = ("--encoder", str(tiny_encoder), "--limit", "4", "--steps", "1", "--device", "cpu")
        return CliRunner().invoke(cli, ["run", *small, "--out", str(out), *flags])

    return run


NOTE = "mtk's own are used, though other packages have parts of the same names: "


def test_a_plain_run_is_mtks_own_and_its_record_too(run: Callable[..., Result], site: Path) -> None:
    result = run(site / "run")
    assert result.exit_code == 0, result.stderr
    used = "task set stranger/sample, head stranger/cnn, head stranger/concat-mlp, combiner stranger/sum"
    assert f"{NOTE}{used}\n" in result.stdout
    config = read_config(site / "run" / "config.toml")
    assert (config["data"], config["combiner"]) == ("multitask-toolkit/sample", "multitask-toolkit/sum")
    assert [head.partition(":")[0] for head in config["heads"].values()] == [
        "multitask-toolkit/cnn", "multitask-toolkit/concat-mlp", "multitask-toolkit/concat-mlp",
    ]  # fmt: skip
    again = run(site / "again", "--config", str(site / "run" / "config.toml"), "--json")
    first = json.loads((site / "run" / "summary.json").read_text())
    assert json.loads(again.stdout)["metrics"] == first["best"]["metrics"]
    evaluated = CliRunner().invoke(cli, ["eval", str(site / "run"), "--device", "cpu", "--json"])
    assert set(json.loads(evaluated.stdout)["metrics"]) == {"sst", "para", "sts"}


def test_an_old_configuration_without_packages_means_mtks_own(run: Callable[..., Result], site: Path) -> None:
    (site / "old.toml").write_text(OLD)
    result = run(site / "run", "--config", str(site / "old.toml"))
    assert result.exit_code == 0, result.stderr
    versions = read_config(site / "run" / "config.toml")["versions"]
    assert {package.split()[0] for part, package in versions.items() if " " in part} == {"multitask-toolkit"}


def test_the_strangers_are_taken_when_they_are_asked_for(run: Callable[..., Result], site: Path) -> None:
    result = run(site / "run", "--combiner", "stranger/sum", "--head", "sst=stranger/cnn")
    assert result.exit_code == 0, result.stderr
    assert "combiner  stranger/sum" in result.stdout
    config = read_config(site / "run" / "config.toml")
    assert (config["combiner"], config["heads"]["sst"]) == ("stranger/sum", "stranger/cnn")
    assert mtk.load(site / "run", device="cpu").head("sst").__module__ == "stranger_parts"


def test_a_default_that_is_switched_off_is_not_replaced(
    run: Callable[..., Result], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTK_DISABLE_PLUGINS", "optimizers")
    result = run(site / "run")
    assert result.exit_code == 2
    assert "There is no combiner 'multitask-toolkit/sum'. There is stranger/sum." in result.stderr


def test_two_strangers_with_one_name_have_to_be_told_apart(
    run: Callable[..., Result], install: Callable[..., Path], site: Path
) -> None:
    for name in ("one", "two"):
        plugin = PLUGIN.replace('"sum"', '"odd"').replace("stranger_parts", f"{name}_parts")
        install(name, {name: plugin, f"{name}_parts": PARTS}, {name: name}, directory=name)
    result = run(site / "run", "--combiner", "odd")
    assert result.exit_code == 2
    assert "The combiner 'odd' is offered by 2 packages. Write one/odd or two/odd." in result.stderr
