"""A run of several processes, as torchrun starts them: it is the run of one, of which the first process writes and tells.
What one of them meets, a signal or a loss that is no number, all meet; and another number of processes goes on with it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from together import Heard, same, started

import mtk

pytestmark = pytest.mark.usefixtures("one_thread")


def test_it_is_the_run_of_one_and_another_number_goes_on_with_it(settings: dict[str, Any], tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"

    def run() -> tuple[list[int], mtk.Result]:
        heard = Heard()
        result = mtk.run(out=both, epochs=1, listeners=[heard], **settings)
        return [plan.processes for plan in heard.plans], result

    expected = mtk.run(out=alone, epochs=1, **settings)
    (plans, first), (silent, second) = started(2, run)
    assert (plans, silent) == ([2], [])  # the first one is heard
    assert first.steps == second.steps == expected.steps
    assert first.best == second.best
    same(both, alone)
    for path in ("predictions", "."):
        assert sorted(p.name for p in (both / path).iterdir()) == sorted(p.name for p in (alone / path).iterdir())
    assert (both / "config.toml").read_bytes() == (alone / "config.toml").read_bytes()  # which knows of no processes

    started(3, lambda: mtk.run(resume=both, epochs=2))
    mtk.run(resume=both, epochs=3)
    for epochs in (2, 3):
        mtk.run(resume=alone, epochs=epochs)
    kept = [json.loads((out / "checkpoint" / "state.json").read_text()) for out in (both, alone)]
    assert kept[0]["places"] == kept[1]["places"]
    same(both, alone)


def test_a_signal_to_one_of_them_ends_all_after_the_same_step(settings: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"

    class Signalled:
        @mtk.hookimpl
        def mtk_evaluated(self, evaluation: mtk.Evaluation) -> None:
            if evaluation.epoch == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    results = started(2, lambda: mtk.run(out=out, epochs=50, listeners=[Signalled()], **settings))
    assert [result.interrupted for result in results] == [True, True]
    assert results[0].steps == results[1].steps
    assert json.loads((out / "checkpoint" / "state.json").read_text())["step"] == results[0].steps


@pytest.mark.parametrize("how", ["skip", "stop"])
def test_a_loss_that_is_no_number_in_one_of_them_is_one_in_all(
    settings: dict[str, Any], tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    from mtk.model.multitask import Model

    loss_of, calls = Model.loss_of, []

    def spoilt(self: Model, task: str, *given: Any) -> Any:
        found = loss_of(self, task, *given)
        calls.append(task)
        is_spoilt = os.environ.get("RANK") == "1" and task == "sst" and calls.count("sst") == 4  # the dry run's was one
        return found._replace(total=found.total * torch.nan) if is_spoilt else found

    monkeypatch.setattr(Model, "loss_of", spoilt)

    def run() -> str:
        try:
            return str(mtk.run(out=out, epochs=2, on_nonfinite=how, **settings).skipped)
        except mtk.MtkError as error:
            return f"{type(error).__name__}, told here: {error.is_told_here}"

    told = started(2, run)
    if how == "skip":
        assert told == ["1", "1"]
    else:
        assert sorted(told) == ["NonFiniteError, told here: False", "NonFiniteError, told here: True"]
    assert mtk.load(out).tasks


def test_a_listener_stops_all_of_them(settings: dict[str, Any], tmp_path: Path) -> None:
    still = {**settings, "learning_rate": 0.0, "head_learning_rate": 0.0}
    results = started(2, lambda: mtk.run(out=tmp_path / "run", epochs=9, listen=["early-stopping:patience=1"], **still))
    assert results[0].stopped
    assert results[0].stopped == results[1].stopped
    assert results[0].steps == results[1].steps


def test_a_stage_comes_before(settings: dict[str, Any], tmp_path: Path) -> None:
    """Each process hides words of its own texts; the weights are the same in both."""
    from mtk.training.loop import train_and_keep as train

    def run() -> list[float]:
        sums: list[float] = []

        def heard(training: Any, *given: Any) -> Any:
            result = train(training, *given)
            sums.append(sum(float(p.double().sum()) for p in training.model.parameters()))
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mtk.training.loop.train_and_keep", heard)
            mtk.run(out=tmp_path / "run", epochs=1, stages=["mlm:epochs=1,batch=32"], **settings)
        return sums

    first, second = started(2, run)
    assert len(first) == 1
    assert first == second
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if line["event"] == "stage"][-1].startswith("mlm")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_in_half_precision_the_weights_are_the_same_in_both(
    settings: dict[str, Any], tmp_path: Path, precision: str
) -> None:
    results = started(
        2, lambda: mtk.run(out=tmp_path / "run", epochs=1, accumulate=2, **{**settings, "precision": precision})
    )
    assert results[0].best == results[1].best


def test_a_mistake_leaves_nothing_and_is_told_by_one(settings: dict[str, Any], tmp_path: Path) -> None:
    def run() -> bool | None:
        with pytest.raises(mtk.UsageError, match=r"reads at most") as caught:
            mtk.run(out=tmp_path / "run", **{**settings, "max_length": 4_000})
        return caught.value.is_told_here

    assert sorted(map(str, started(2, run))) == ["False", "True"]
    assert not (tmp_path / "run").exists()


def test_a_run_that_may_be_started_again_has_a_name(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    with pytest.raises(mtk.UsageError, match="--out DIR"):
        mtk.run(epochs=1, **settings)
    mtk.run(out=tmp_path / "run", epochs=1, **settings)
    with pytest.raises(mtk.UsageError, match="exists already"):  # it is the first time
        mtk.run(out=tmp_path / "run", epochs=1, **settings)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert mtk.run(out=tmp_path / "run", epochs=1, **settings).steps == 5
