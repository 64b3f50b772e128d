"""A loss or a gradient that is no number ends a run before the update: all is named, and a finite model kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

import mtk
from mtk_cli import cli

HEAD = """
import mtk
import torch

@mtk.hookimpl
def mtk_register(registry):
    registry.head("clinic", "clinic:Clinic", summary="s")
    registry.combiner("solver", "clinic:Solver", summary="s")

class Nan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.nan

class Clinic(mtk.Head):
    def __init__(self, width, outputs, inputs, *, after: int = 3, times: int = 1000, where: str = "loss"):
        super().__init__()
        self.score = torch.nn.Linear(width * inputs, outputs)
        self.left, self.times, self.where = after, times, where

    def forward(self, first, second=None):
        texts = [first.embedding] if second is None else [first.embedding, second.embedding]
        logits = self.score(torch.cat(texts, dim=-1))
        if not self.training:
            return logits
        self.left -= 1
        if self.left >= 0 or self.left < -self.times:
            return logits
        return Nan.apply(logits) if self.where == "gradient" else logits * torch.nan

class Solver(mtk.GramianCombiner):
    uses_host = True

    def weights(self, gramian):
        if not gramian.isfinite().all():
            raise ArithmeticError("no solution")
        return torch.ones(len(gramian))
"""

Run = Callable[..., Result]


@pytest.fixture
def run(install: Callable[..., Path], tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> Run:
    install("clinic", {"clinic": HEAD})

    def run(*flags: str) -> Result:
        given = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--device", "cpu", "--batch-size", "8")
        return CliRunner().invoke(cli, ["run", *given, "--out", str(tmp_path / "run"), *flags])

    return run


@pytest.mark.parametrize("combiner", ["sum", "pcgrad", "pcgrad:scope=layer", "uw", "clinic/solver", "graddrop"])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_the_run_ends_before_the_update(run: Run, tmp_path: Path, combiner: str, where: str) -> None:
    # one forward pass in the dry run, then one in each step
    result = run("--combiner", combiner, "--head", "linear", "--head", f"sst=clinic:after=4,where={where}")
    assert result.exit_code == 1, result.output
    assert "Step 4: the " in result.stderr
    assert (
        "the loss is no finite number (sst nan" if where == "loss" else "the gradient is no finite number"
    ) in result.stderr
    assert "and the update was not made" in result.stderr
    assert "rows m" in result.stderr
    assert "of task sst (" in result.stderr
    assert "sst-train.csv)" in result.stderr
    assert "is broken" not in result.stderr
    assert "holds the model as it was before" in result.stderr
    model = mtk.load(tmp_path / "run")
    assert all(p.isfinite().all() for p in model.parameters())


def test_the_best_model_so_far_is_kept(run: Run, tmp_path: Path) -> None:
    result = run("--head", "linear", "--head", "sst=clinic:after=8", "--epochs", "4")
    assert result.exit_code == 1
    assert "Step 8: " in result.stderr
    assert "holds the best model so far, of epoch 1" in result.stderr
    (evaluation,) = [line for line in read(tmp_path / "run" / "metrics.jsonl") if line["event"] == "evaluation"]
    assert evaluation["best"]
    assert all(p.isfinite().all() for p in mtk.load(tmp_path / "run").parameters())


def test_a_rate_that_is_far_too_high_does_not_end_well(run: Run) -> None:
    result = run("--lr", "1e30", "--head-lr", "1e30", "--head", "linear", "--epochs", "2", "--warmup", "0")
    assert result.exit_code == 1
    assert "no finite number" in result.stderr


SKIP = ("--on-nonfinite", "skip", "--head", "linear")


@pytest.mark.parametrize(
    ("combiner", "where"),
    [("sum", "loss"), ("moco", "loss"), ("gradnorm", "gradient"), ("nash-mtl", "gradient"), ("clinic/solver", "loss")],
)
def test_a_step_is_left_out_and_counted_and_the_run_goes_on(run: Run, tmp_path: Path, combiner: str, where: str) -> None:
    result = run(*SKIP, "--combiner", combiner, "--head", f"sst=clinic:after=4,times=2,where={where}", "--epochs", "2")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("and the update was not made") == 2, "the steps after them are as they were"
    assert "Step 4: the " in result.stderr
    assert "of task sst (" in result.stderr
    assert "2 steps, the last of them 5, were left out" in result.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["skipped"], summary["steps"]) == (2, 12)
    told = [line for line in read(tmp_path / "run" / "metrics.jsonl") if line["event"] == "progress"]
    assert told[-1]["skipped"] == 2
    assert all(loss is not None for line in told for loss in line["losses"].values())  # type: ignore[attr-defined]
    assert all(p.isfinite().all() for p in mtk.load(tmp_path / "run").parameters())


def test_what_was_left_out_is_counted_on_when_a_run_is_resumed(run: Run, tmp_path: Path) -> None:
    assert run(*SKIP, "--head", "sst=clinic:after=4,times=1", "--epochs", "1").exit_code == 0
    result = CliRunner().invoke(cli, ["run", "--resume", str(tmp_path / "run"), "--epochs", "2", "--quiet"])
    assert result.exit_code == 0, result.output
    # the head counts anew: a dry run, three steps, and the seventh of the whole is left out again with what came before
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["skipped"] == 2


def test_a_run_that_only_leaves_out_ends(run: Run) -> None:
    result = run(*SKIP, "--head", "sst=clinic:after=4", "--epochs", "30")
    assert result.exit_code == 1
    assert "100 steps in a row were left out, and nothing is learned any more. Step 103: " in result.stderr


def test_what_a_step_did_to_tensors_is_undone_where_it_was_none() -> None:
    from mtk.training.nonfinite import kept_from

    mean, count = torch.ones(3), torch.zeros((), dtype=torch.int64)
    for finite, wanted in ((False, 1.0), (True, 5.0)):
        with kept_from([mean, count]) as found:
            mean.fill_(5.0)
            found.append(torch.tensor(finite))
        assert mean.tolist() == [wanted] * 3


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("fused", [True, False])
def test_an_update_that_is_not_finite_changes_nothing(optimizer: type[torch.optim.Optimizer], fused: bool) -> None:
    from mtk.training.nonfinite import update

    weight = torch.nn.Parameter(torch.ones(3))
    made = optimizer([weight], lr=0.1, fused=fused)  # type: ignore[call-arg]
    for gradient, moves in ((1.0, True), (float("nan"), False), (2.0, True)):
        before = weight.detach().clone()
        weight.grad = torch.full((3,), gradient)
        update(made, weight.grad.isfinite().all())
        assert torch.equal(weight.detach(), before) != moves


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
