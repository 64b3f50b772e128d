"""A run whose processes hold the encoder in parts is the run of one that holds all of it: it leaves the same files, with the
same numbers, and each goes on with what the other left off."""

from __future__ import annotations

import json
import os
import signal
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from together import Heard, same, started

import mtk
from mtk.pipeline import ONE_HOLDS_ALL

pytestmark = pytest.mark.usefixtures("one_thread")


def names(directory: Path) -> dict[str, list[str]]:
    """Of the tensors in its files."""
    return {
        str(file.relative_to(directory)): sorted(safetensors.torch.load_file(file))
        for file in sorted(directory.rglob("*.safetensors"))
    }


def test_it_is_the_run_of_one_and_each_goes_on_with_the_other(settings: dict[str, Any], tmp_path: Path) -> None:
    alone, parts = tmp_path / "alone", tmp_path / "parts"

    def run() -> mtk.Plan | None:
        heard = Heard()
        mtk.run(out=parts, epochs=1, shard=True, listeners=[heard], pooling="attention", **settings)
        return heard.plans[0] if heard.plans else None

    mtk.run(out=alone, epochs=1, pooling="attention", **settings)
    plan, _ = started(2, run)
    assert plan
    assert plan.sharded
    same(parts, alone)
    assert (parts / "config.toml").read_bytes() == (alone / "config.toml").read_bytes()  # which knows nothing of parts
    assert names(parts) == names(alone)
    for file in ("config.json", "tokenizer.json"):
        assert (parts / "model" / "encoder" / file).read_bytes() == (alone / "model" / "encoder" / file).read_bytes()

    mtk.run(resume=parts, epochs=2)
    started(3, lambda: mtk.run(resume=alone, epochs=2, shard=True))
    same(parts, alone)
    assert names(parts) == names(alone)
    for file in ("predictions/sst-dev-output.csv", "predictions/sst-test-output.csv"):
        assert (parts / file).read_text() == (alone / file).read_text()


def test_test_files_are_predicted_by_the_best_model(settings: dict[str, Any], tmp_path: Path) -> None:
    """Which is not the last one here, and is loaded where that is."""
    with pytest.MonkeyPatch.context() as patch:
        scores = cycle([1.0, 0.0])
        patch.setattr("mtk.training.loop.average", lambda metrics: next(scores))
        mtk.run(out=tmp_path / "alone", epochs=2, **settings)
        started(2, lambda: mtk.run(out=tmp_path / "parts", epochs=2, shard=True, **settings))
    one, other = ((tmp_path / run / "predictions" / "sst-test-output.csv").read_text() for run in ("alone", "parts"))
    assert one == other


def test_a_signal_in_the_middle_of_an_evaluation_ends_all_of_them(settings: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"

    class Signalled:
        @mtk.hookimpl
        def mtk_evaluation_progressed(self, progress: mtk.EvaluationProgress) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    results = started(2, lambda: mtk.run(out=out, epochs=50, shard=True, listeners=[Signalled()], **settings))
    assert [result.interrupted for result in results] == [True, True]
    assert json.loads((out / "checkpoint" / "state.json").read_text())["step"] == results[0].steps == results[1].steps
    assert mtk.load(out).tasks


def test_a_process_that_ends_in_the_middle_of_a_step_is_missed(settings: dict[str, Any], tmp_path: Path) -> None:
    from mtk.model.multitask import Model

    loss_of, calls = Model.loss_of, []

    def ended(self: Model, *given: Any) -> Any:
        calls.append(None)
        if os.environ["RANK"] == "1" and len(calls) > 20:
            os._exit(0)
        return loss_of(self, *given)

    def run() -> None:
        with pytest.raises(mtk.MtkError, match="Another process of this run has ended") as caught:
            mtk.run(out=tmp_path / "run", epochs=9, shard=True, **settings)
        assert f"--resume {tmp_path / 'run'}" in str(caught.value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "loss_of", ended)
        with pytest.raises(AssertionError, match="process 1: it ended and said nothing"):  # and the first one is content
            started(2, run)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_in_half_precision_the_processes_agree(settings: dict[str, Any], tmp_path: Path, precision: str) -> None:
    how = {**settings, "precision": precision, "accumulate": 2}
    results = started(2, lambda: mtk.run(out=tmp_path / "run", epochs=1, shard=True, **how))
    assert results[0].best == results[1].best


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        ({"combiner": "graddrop"}, "--combiner graddrop computes with the tasks' whole gradients"),
        ({"average": "ema:decay=0.9"}, "--average ema:decay=0.9 is a second encoder"),
        ({"adapter": "lora:r=2"}, "--adapter lora:r=2 trains matrices beside"),
        ({"stages": ["mlm:epochs=1"]}, "--stage mlm:epochs=1 reads the embeddings' table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_it_cannot_have_is_refused_by_name(
    settings: dict[str, Any], tmp_path: Path, unfit: dict[str, Any], reason: str
) -> None:
    def run() -> str:
        with pytest.raises(mtk.UsageError) as caught:
            mtk.run(out=tmp_path / "run", shard=True, **{**settings, **unfit})
        return str(caught.value)

    assert all(told.startswith(f"--shard: {reason}") for told in started(2, run))
    assert not (tmp_path / "run").exists()


def test_one_process_holds_all_and_says_so(settings: dict[str, Any], tmp_path: Path) -> None:
    heard = Heard()
    mtk.run(out=tmp_path / "run", steps=1, shard=True, average="ema:decay=0.9", listeners=[heard], **settings)
    assert ONE_HOLDS_ALL in heard.plans[0].notes
    assert not heard.plans[0].sharded
