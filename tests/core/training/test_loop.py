"""The best model is kept, and every way to end leaves what it should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import building
import pytest
import torch

import mtk
from mtk.config import RunConfig
from mtk.data.tasks_toml import read_task
from mtk.events import Evaluation
from mtk.host.listeners import Listeners
from mtk.plan import plan_run
from mtk.training import checkpoint
from mtk.training import loop as loops
from mtk.training.build import Training, augment, build_training
from mtk.training.loop import train_and_keep
from mtk.training.run_directory import RunDirectory

Ready = tuple[Training, RunDirectory]


@pytest.fixture
def ready(tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path) -> Ready:
    config = RunConfig(
        data=str(tiny_corpus), encoder=str(tiny_encoder), heads="linear", limit=8, batch_size=8, epochs=4, precision="fp32"
    )
    plan = plan_run(config, building.REGISTRY)
    data = {name: read_task(t.source, limit=t.limit) for name, t in plan.tasks.items()}
    training = build_training(plan, data, augment(plan, data), torch.device("cpu"), lambda _: None)
    directory = RunDirectory.choose(tmp_path / "run", plan)
    directory.create()
    return training, directory


def hearing(heard: Callable[[Evaluation], object]) -> Listeners:
    """One listener, who is told of evaluations."""

    class Ear:
        @mtk.hookimpl
        def mtk_evaluated(self, evaluation: Evaluation) -> None:
            heard(evaluation)

    listeners = Listeners(building.REGISTRY, [])
    listeners.join(Ear())
    return listeners


def scored(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    """Evaluations with these averages; the predictions stay real."""
    real, left = loops.evaluate_splits, list(scores)

    def evaluate(*arguments: object) -> object:
        score = left.pop(0)
        found = real(*arguments)  # type: ignore[arg-type]
        return found._replace(metrics={task: {"score": score} for task in found.metrics})

    monkeypatch.setattr(loops, "evaluate_splits", evaluate)


def test_the_combiner_is_told_of_every_evaluation(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    training, directory = ready
    scored(monkeypatch, 0.2, 0.6, 0.6, 0.1)
    told: list[dict[str, float]] = []
    combiner = type(training.trainer.combiner)
    monkeypatch.setattr(combiner, "after_evaluation", lambda self, scores: told.append(scores))
    train_and_keep(training, directory, hearing(lambda evaluation: None))
    assert told == [dict.fromkeys(training.dev, score) for score in (0.2, 0.6, 0.6, 0.1)]


def test_the_best_epoch_is_kept_and_the_first_of_equals(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    training, directory = ready
    scored(monkeypatch, 0.2, 0.6, 0.6, 0.1)
    heard: list[Evaluation] = []
    states = []

    def hear(evaluation: Evaluation) -> None:
        heard.append(evaluation)
        states.append([p.detach().clone() for p in training.model.heads.parameters()])

    result = train_and_keep(training, directory, hearing(hear))
    assert [e.best for e in heard] == [True, True, False, False]
    assert [e.average for e in heard] == pytest.approx([0.2, 0.6, 0.6, 0.1])
    assert result.best == heard[1]
    assert (result.epochs, result.steps, result.interrupted) == (4, 4, False)
    kept = list(checkpoint.load(directory.path, device="cpu").heads.parameters())
    assert all(torch.equal(one, other) for one, other in zip(kept, states[1], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(kept, states[3], strict=True))


def interrupting(number: int, error: BaseException) -> Callable[[Evaluation], None]:
    def hear(evaluation: Evaluation) -> None:
        if evaluation.epoch == number:
            raise error

    return hear


def test_ctrl_c_after_an_evaluation_leaves_the_best_so_far(ready: Ready) -> None:
    training, directory = ready
    result = train_and_keep(training, directory, hearing(interrupting(2, KeyboardInterrupt())))
    assert (result.interrupted, result.epochs) == (True, 2)
    assert result.best is not None
    assert (directory.path / "predictions" / "sst-dev-output.csv").is_file()


def test_ctrl_c_before_one_leaves_the_model_as_it_is(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    training, directory = ready

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loops, "evaluate_splits", stop)
    result = train_and_keep(training, directory, hearing(lambda _: None))
    assert (result.interrupted, result.best) == (True, None)
    kept = checkpoint.load(directory.path, device="cpu").state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in training.model.state_dict().items())
    assert not (directory.path / "predictions").exists()


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_failure_takes_the_directory_along_unless_it_holds_a_model(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    training, directory = ready
    failure = mtk.MtkError("out of memory")
    if epoch == 0:

        def fail(*_: object) -> None:
            raise failure

        monkeypatch.setattr(training.trainer, "optimize", fail)
    with pytest.raises(mtk.MtkError, match="out of memory"):
        train_and_keep(training, directory, hearing(interrupting(epoch, failure)))
    assert directory.path.exists() is (epoch == 1)
    if epoch:
        assert (directory.model / checkpoint.MANIFEST).is_file()
