"""A loss that does not move and a score that a guess has too are pointed out, and no others."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from click.testing import CliRunner
from scipy.stats import sem

from mtk.events import Evaluation
from mtk.kind import Kind
from mtk.task import Task
from mtk.training.learned import Mean, Movement, guessed, notes
from mtk_cli import cli
from mtk_kinds.binary import Binary
from mtk_kinds.classification import Classification
from mtk_kinds.regression import Regression

STEPS = 400


def moved(*losses: float) -> Movement:
    movement = Movement()
    for step, loss in enumerate(losses):
        movement.add(step / len(losses), loss)
    return movement


def noisy(fall: float, seed: int = 0) -> list[float]:
    rng = Random(seed)
    return [1.0 - fall * step / STEPS + rng.gauss(0, 0.2) for step in range(STEPS)]


def test_a_mean_and_its_error_are_those_of_the_numbers() -> None:
    numbers, mean = noisy(0.5), Mean()
    for number in numbers:
        mean.add(number)
    assert mean.value == pytest.approx(sum(numbers) / STEPS)
    assert mean.error == pytest.approx(sem(numbers))


def test_a_loss_that_falls_beyond_its_noise_has_moved() -> None:
    assert str(moved(*noisy(0.3))) == ""


def test_one_that_stays_is_told_with_both_its_means() -> None:
    told = sum("its loss did not move" in str(moved(*noisy(0.0, seed))) for seed in range(100))
    assert told >= 93, "but for those in which noise fell beyond two standard errors"
    assert "did not move: 1.0000 in the first quarter of the steps, 1.0000 in the last" in str(moved(*[1.0] * 20))


def test_one_that_rises_did_not_fall() -> None:
    assert "did not move" in str(moved(*noisy(-0.5)))


def test_of_a_few_steps_nothing_is_said() -> None:
    assert str(moved(*[1.0] * 8)) == "", "a quarter of it has two"


def evaluation(score: float, metric: str) -> Evaluation:
    return Evaluation(step=1, epoch=1, metrics={"t": {metric: score}}, average=score, best=True)


@pytest.mark.parametrize(
    ("kind", "labels", "chance", "error"),
    [
        (Classification(("a", "b", "c")), [0.0] * 50 + [1.0] * 30 + [2.0] * 20, 0.5, 0.05),
        (Binary(), [1.0] * 80 + [0.0] * 20, 0.8, 0.04),
        (Regression(range=(0, 5)), [float(n % 6) for n in range(101)], 0.0, 0.1),
    ],
)
def test_a_score_within_two_errors_of_a_guess_is_pointed_out(
    kind: Kind, labels: list[float], chance: float, error: float
) -> None:
    task = Task(name="t", kind=kind, text=("x",), label="y")
    assert kind.guess(torch.tensor(labels)) == pytest.approx((chance, error))
    for score, is_told in ((chance - 3 * error, True), (chance + 1.9 * error, True), (chance + 2.1 * error, False)):
        assert bool(guessed(task, torch.tensor(labels), evaluation(score, task.kind.metric_names[0]))) is is_told
    assert f"no better than that of a guess, {chance:.4f}" in guessed(
        task, torch.tensor(labels), evaluation(chance, kind.metric_names[0])
    )


def test_a_guess_is_as_rarely_taken_for_more_as_two_errors_say() -> None:
    task = Task(name="t", kind=Regression(range=(0, 5)), text=("x",), label="y")
    torch.manual_seed(0)
    labels = torch.rand(500, 200)
    missed = sum(
        guessed(task, row, evaluation(task.kind.metrics(torch.rand(200), row)["pearson"], "pearson")) == ""
        for row in labels  # type: ignore[operator]
    )
    assert missed <= 25


def test_a_note_names_the_task() -> None:
    assert notes({"a": moved(*[1.0] * 20), "b": moved(*noisy(0.3))}, [("b", "its score is low"), ("a", "")]) == [
        f"a: {moved(*[1.0] * 20)}",
        "b: its score is low",
    ]


def test_a_run_that_learns_nothing_says_so_on_the_screen_and_in_the_summary(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    flags = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--head", "linear", "--batch-size", "8", "--json")
    for rate, is_told in (("0", True), ("3e-2", False)):
        out = tmp_path / rate
        rates = ("--lr", rate if rate == "0" else "1e-3", "--head-lr", rate, "--epochs", "6", "--out", str(out))
        result = CliRunner().invoke(cli, ["run", *flags, *rates])
        assert result.exit_code == 0, result.output
        assert ("sst: its loss did not move" in result.stdout) is is_told
        assert ("sst: its loss did not move" in (out / "summary.json").read_text()) is is_told
        assert ("sst: its accuracy" in result.stdout) is is_told
