"""From a plan to what trains: parts are built of their specs, the seed decides what is random, a broken promise is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import building
import pytest
import torch

import mtk
from mtk.config import RunConfig
from mtk.data.split import TaskData
from mtk.data.tasks_toml import read_task
from mtk.host.registry import Registry
from mtk.plan import RunPlan, plan_run
from mtk.training.build import Training, augment, build_combiner, build_training, describe

CPU = torch.device("cpu")
Planned = tuple[RunPlan, dict[str, TaskData]]


@pytest.fixture
def plan(tiny_corpus: Path, tiny_encoder: Path) -> Callable[..., Planned]:
    def plan(registry: Registry = building.REGISTRY, **settings: Any) -> Planned:
        given = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "heads": "linear", "limit": 8, "batch_size": 8}
        given["precision"] = "fp32"
        planned = plan_run(RunConfig(**{**given, **settings}), registry)
        return planned, {name: read_task(t.source, limit=t.limit) for name, t in planned.tasks.items()}

    return plan


def built(planned: Planned) -> Training:
    plan, data = planned
    return build_training(plan, data, augment(plan, data), CPU, lambda _: None)


def test_the_seed_decides_how_heads_begin(plan: Callable[..., Planned]) -> None:
    first, again, other = (built(plan(seed=seed)).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first if name.startswith("heads"))
    assert all(torch.equal(first[name], other[name]) for name in first if name.startswith("encoder"))


def test_parts_are_built_of_their_specs(plan: Callable[..., Planned]) -> None:
    planned = plan(heads={"sst": "cnn:channels=5", "*": "cosine:scale=2"}, combiner="pcgrad:reduction=mean,scope=layer")
    training = built(planned)
    assert training.model.head("sst").convolution.out_channels == 5
    assert training.model.head("sts").scale.item() == 2
    combiner = training.trainer.combiner
    assert (combiner.reduction, combiner.scope, combiner.tasks) == ("mean", "layer", ("sst", "para", "sts"))
    assert build_combiner(planned[0]) is not combiner
    assert training.plain is None, "a BERT is packed"


def test_copies_are_made_as_the_seed_says(plan: Callable[..., Planned]) -> None:
    def texts(seed: int) -> list[str]:
        planned, data = plan(augment={"sst": "random-swap:copies=3"}, seed=seed)
        training = augment(planned, data)
        assert (len(training["sst"]), len(training["para"])) == (8 * 4, 8)
        return training["sst"].texts[0]

    assert texts(1) == texts(1)
    assert texts(1)[:8] == texts(2)[:8], "the originals"
    assert texts(1) != texts(2)


def test_the_plan_that_is_told_is_what_was_built(plan: Callable[..., Planned], tmp_path: Path) -> None:
    planned, data = plan(augment={"sst": "random-swap:copies=3"}, combiner="pcgrad", epochs=2, batch_size={"sst": 4, "*": 8})
    training_data = augment(planned, data)
    training = build_training(planned, data, training_data, CPU, lambda _: None)
    told = describe(planned, data, training_data, training, tmp_path)
    sst, para, _ = told.tasks
    assert (sst.train, sst.augmented, sst.dev, sst.test, sst.batch_size) == (32, 24, 8, 8, 4)
    assert (para.pair, para.head, para.augmenter, para.augmented) == (True, "linear:dropout=0.1", None, 0)
    assert (told.combiner, told.device, told.steps, told.epochs) == ("pcgrad", "cpu", training.trainer.steps, 2)
    assert told.parameters == sum(p.numel() for p in training.model.parameters())
    assert (told.recorded, told.plain, told.out) == (False, None, tmp_path)


SILENT = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.combiner("silent", "silent:Silent", summary="")

class Silent(mtk.GramianCombiner):
    def weights(self, gramian):
        return gramian[0, :1]
"""


def test_a_part_that_breaks_its_promise_does_so_here(plan: Callable[..., Planned], install: Callable[..., Path]) -> None:
    install("mtk-silent", {"silent": SILENT})
    with pytest.raises(mtk.UsageError, match=r"combiner 'silent' of plugin 'silent' \(mtk-silent 1.2\) is broken"):
        built(plan(Registry(), combiner="silent"))


def test_recording_steps_is_refused_where_there_is_no_cuda(plan: Callable[..., Planned]) -> None:
    with pytest.raises(mtk.UsageError, match="--compile on: a step is recorded as a CUDA graph, and this run is on cpu"):
        built(plan(compile="on"))


def test_batches_too_small_to_be_halved_are_refused(plan: Callable[..., Planned]) -> None:
    with pytest.raises(mtk.UsageError, match=r"halves of each task's batch, and that of .* Take --batch-size 4"):
        built(plan(combiner="modo", batch_size=3))


def test_r_drop_is_refused_where_nothing_is_dropped(
    plan: Callable[..., Planned], tiny_encoder: Path, tmp_path: Path
) -> None:
    encoder = shutil.copytree(tiny_encoder, tmp_path / "encoder")
    config = json.loads((encoder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (encoder / "config.json").write_text(json.dumps(config))
    with pytest.raises(mtk.UsageError, match="--r-drop: the encoder and the heads drop nothing"):
        built(plan(encoder=str(encoder), dropout=0.0, r_drop=1.0))


def test_r_drop_is_refused_for_answers_that_cannot_be_compared(
    plan: Callable[..., Planned], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(r_drop=1.0)
    monkeypatch.delattr(type(planned[0].tasks["sts"].task.kind), "divergence")
    with pytest.raises(
        mtk.UsageError, match=r"--r-drop: two answers to task 'sts' cannot be compared: its kind, regression"
    ):
        built(planned)
