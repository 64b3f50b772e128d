"""A package of somebody else's with a sampler, an optimizer, a schedule and a listener that stops, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

REGISTERING = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.sampler("smallest", "recipe_parts:Smallest", summary="most of the smallest")
    registry.optimizer("lion", "recipe_parts:Lion", summary="sign of the momentum")
    registry.schedule("quadratic", "recipe_parts:Quadratic", summary="down in a parabola")
    registry.listener("enough", "recipe_parts:Enough", summary="stops after so many evaluations")
"""
PARTS = """
import mtk
import torch

class Smallest(mtk.Sampler):
    def examples(self, sizes, batch, rng):
        return self.share(batch, {task: 1 / size for task, size in sizes.items()}, rng)

class Lion(torch.optim.Optimizer):
    '''Chen et al. 2023.'''
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                one, two = group["betas"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * mean.lerp(p.grad, 1 - one).sign())
                mean.lerp_(p.grad, 1 - two)

class Quadratic(mtk.Schedule):
    def factor(self, left):
        return left**2

class Enough:
    def __init__(self, *, evaluations: int = 2):
        self.left = evaluations

    @mtk.hookimpl
    def mtk_evaluated(self):
        self.left -= 1
        if not self.left:
            return mtk.Stop("that is enough")
"""


@pytest.fixture
def run(install: Callable[..., Path], tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> Callable[..., Result]:
    site = install("recipe-box", {"recipe_box": REGISTERING})
    (site / "recipe_parts.py").write_text(PARTS)

    def run(*arguments: str, out: str = "run") -> Result:
        common = ("--encoder", str(tiny_encoder), "--data", str(tiny_corpus), "--device", "cpu", "--precision", "fp32")
        return CliRunner().invoke(cli, ["run", *common, "--head", "linear", "--out", str(tmp_path / out), *arguments])

    return run


STRANGERS = ("--sampler", "smallest:batch=24", "--optimizer", "lion:betas=0.9/0.95", "--schedule", "quadratic")


@pytest.mark.parametrize("combiner", ["sum", "pcgrad", "round-robin"])
def test_a_strangers_parts_train_and_stop(run: Callable[..., Result], tmp_path: Path, combiner: str) -> None:
    result = run(*STRANGERS, "--combiner", combiner, "--listen", "enough", "--epochs", "9", "--evaluate-every", "2")
    assert result.exit_code == 0, result.output
    assert "Stopped: that is enough." in result.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["stopped"], summary["steps"], summary["interrupted"]) == ("that is enough", 4, False)
    assert set(summary["best"]["losses"]) == {"sst", "para", "sts"}
    config = (tmp_path / "run" / "config.toml").read_text()
    for kind, name in (("sampler", "smallest"), ("optimizer", "lion"), ("schedule", "quadratic"), ("listener", "enough")):
        assert f'"{kind} {name}" = "recipe-box 1.2"' in config
    assert 'optimizer = "recipe-box/lion:betas=0.9/0.95"' in config
    assert (tmp_path / "run" / "predictions" / "sst-test-output.csv").is_file()


OWN = {
    "annealed": ("--sampler", "annealed", "--combiner", "pcgrad"),
    "small": ("--sampler", "proportional:batch=4", "--combiner", "upgrad"),
    "sgd": ("--optimizer", "sgd:momentum=0.9", "--schedule", "cosine", "--lr", "0.01"),
    "frozen": ("--freeze", "embeddings,0", "--layer-decay", "0.9", "--schedule", "wsd"),
    "average": ("--average", "ema:decay=0.9", "--sampler", "square-root"),
}


@pytest.mark.parametrize("arguments", OWN.values(), ids=OWN)
def test_resumed_after_a_stop_a_run_ends_as_if_it_had_not_been_left_off(
    run: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    whole = run(*arguments, "--epochs", "3", out="whole")
    assert whole.exit_code == 0, whole.output
    stopped = run(*arguments, "--epochs", "3", "--listen", "enough", out="cut")
    assert "that is enough" in stopped.output
    resumed = CliRunner().invoke(cli, ["run", "--resume", str(tmp_path / "cut"), "--listen", "enough:evaluations=9"])
    assert resumed.exit_code == 0, resumed.output
    states = [tmp_path / name / "checkpoint" / "state.safetensors" for name in ("whole", "cut")]
    assert states[0].read_bytes() == states[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sampler", "anneald"), "There is no sampler 'anneald'."),
        (("--optimizer", "sgd:momentum=much"), "'much' is no value for option 'momentum' of 'sgd': it takes float."),
        (("--optimizer", "adamw:lr=1"), "'adamw' has no option 'lr'."),
        (("--freeze", "0-9"), "--freeze: the encoder has no layer '0-9': its layers are embeddings, and blocks 0 to 1."),
        (("--freeze", "embeddings,0,1"), "leaves nothing of the encoder to train"),
        (("--average", "mean"), "--average mean: it takes ema"),
        (("--schedule", "wsd:decay=0"), "'0' is no value for option 'decay' of 'wsd'"),
    ],
)
def test_a_mistake_is_answered_before_a_directory_is_made(
    run: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert not (tmp_path / "run").exists()


def test_early_stopping_ends_a_run_that_gets_no_better(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("--listen", "early-stopping:patience=2,task=sst", "--epochs", "9", "--lr", "0", "--head-lr", "0")
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["epochs"] == 3
    assert "the score of sst did not get better than" in summary["stopped"]
    assert "in 2 evaluations" in summary["stopped"]


def test_what_does_nothing_is_said(run: Callable[..., Result]) -> None:
    output = run("--optimizer", "adagrad", "--sampler", "annealed", "--combiner", "round-robin", "--steps", "2").output
    assert "the sampler annealed has no two tasks to share a step out to" in output
