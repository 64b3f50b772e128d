"""From text to typed parts: what holds for which task, what is recorded, and that nobody reads a spec after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import building
import msgspec
import pytest
import torch

import mtk
from mtk.config import BATCH_SIZE, RunConfig
from mtk.data.tasks_toml import read_task
from mtk.host.registry import Registry
from mtk.host.spec import Spec
from mtk.plan import RunPlan, plan_run
from mtk.training.build import augment, build_training
from mtk.training.evaluation import evaluate_splits


@pytest.fixture
def plan(tiny_corpus: Path, tiny_encoder: Path) -> Callable[..., RunPlan]:
    def plan(registry: Registry = building.REGISTRY, **settings: Any) -> RunPlan:
        return plan_run(RunConfig(**{"data": str(tiny_corpus), "encoder": str(tiny_encoder), **settings}), registry)

    return plan


def heads(planned: RunPlan) -> dict[str, str]:
    return {name: t.head.text for name, t in planned.tasks.items()}


def test_the_defaults_are_the_studys_best(plan: Callable[..., RunPlan]) -> None:
    planned = plan()
    assert heads(planned) == {
        "sst": "cnn:dropout=0.1", "para": "concat-mlp:dropout=0.1", "sts": "concat-mlp:dropout=0.1",
    }  # fmt: skip
    for task in planned.tasks.values():
        assert (task.augmenter, task.batch_size, task.limit) == (None, BATCH_SIZE, None)
    assert (planned.combiner.text, planned.listeners, planned.notes) == ("sum", [], [])
    assert planned.title == ["sum", "cnn", "concat-mlp"]


def test_a_value_is_for_every_task_or_for_one_or_for_the_others(plan: Callable[..., RunPlan]) -> None:
    assert set(heads(plan(heads="linear")).values()) == {"linear:dropout=0.1"}
    assert heads(plan(heads={"sst": "cosine", "*": "linear"}, dropout=0.3)) == {
        "sst": "cosine:dropout=0.3", "para": "linear:dropout=0.3", "sts": "linear:dropout=0.3",
    }  # fmt: skip
    planned = plan(augment={"sst": "random-swap:copies=3"}, batch_size={"sts": 4}, limit={"*": 9, "para": 5})
    assert [t.augmenter is not None for t in planned.tasks.values()] == [True, False, False]
    assert [t.batch_size for t in planned.tasks.values()] == [BATCH_SIZE, BATCH_SIZE, 4]
    assert [t.limit for t in planned.tasks.values()] == [9, 5, 9]


def test_the_runs_dropout_is_for_heads_that_are_given_no_other(plan: Callable[..., RunPlan]) -> None:
    planned = plan(heads={"sst": "cnn:dropout=0.5"}, dropout=0.0)
    assert planned.tasks["sst"].head.options["dropout"] == 0.5
    assert planned.tasks["para"].head.options["dropout"] == 0.0


@pytest.mark.parametrize("field", ["heads", "augment", "batch_size", "limit"])
def test_a_task_that_there_is_not_is_answered_with_the_nearest(plan: Callable[..., RunPlan], field: str) -> None:
    value = {"heads": "cnn", "augment": "random-swap"}.get(field, 4)
    with pytest.raises(mtk.UsageError, match=rf"There is no task 'stss' for {field}\. Did you mean sts"):
        plan(**{field: {"stss": value}})


def test_what_is_recorded_is_qualified_and_planned_again_is_the_same(plan: Callable[..., RunPlan]) -> None:
    given = {"heads": {"sst": "cosine:scale=2"}, "combiner": "pcgrad:scope=layer", "augment": {"sst": "random-swap"}}
    first = plan(**given, listen=["tensorboard"])
    recorded = first.config
    assert recorded.heads["sst"] == "multitask-toolkit/cosine:scale=2,dropout=0.1"
    assert recorded.combiner == "multitask-toolkit/pcgrad:scope=layer"
    assert recorded.augment == {"sst": "multitask-toolkit/random-swap"}
    assert recorded.listen == ["multitask-toolkit/tensorboard"]
    assert recorded.versions.keys() >= {"python", "torch", "head cosine", "combiner pcgrad", "augmenter random-swap"}
    assert Path(recorded.data).is_absolute()
    again = plan_run(recorded, Registry())
    assert again == first


def test_a_task_set_is_recorded_by_its_package(tiny_encoder: Path) -> None:
    planned = plan_run(RunConfig(data="sample", encoder=str(tiny_encoder)), building.REGISTRY)
    assert planned.config.data == "multitask-toolkit/sample"
    assert "tasks sample" in planned.config.versions


TWIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.head("cnn", "twin:Head", summary="another cnn")
    registry.combiner("sum", "twin:Sum", summary="another sum")
"""


def test_a_strangers_names_change_nothing_until_they_are_asked_for(
    plan: Callable[..., RunPlan], install: Callable[..., Path]
) -> None:
    before = plan()
    install("mtk-twin", {"twin": TWIN})
    after = plan(Registry())
    assert replace(after, notes=[]) == before
    (note,) = after.notes
    assert "mtk's own are used" in note
    assert "head mtk-twin/cnn, combiner mtk-twin/sum" in note


def test_a_repetition_says_which_version_is_another(plan: Callable[..., RunPlan]) -> None:
    recorded = plan().config
    older = msgspec.structs.replace(recorded, versions={**recorded.versions, "torch": "1.0"})
    (note,) = plan_run(older, building.REGISTRY).notes
    assert note.startswith("torch was 1.0 in the run that this one repeats")


def test_nobody_parses_or_looks_anything_up_after_it(plan: Callable[..., RunPlan], monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole training, with the means to do so taken away."""
    asked = {"heads": {"sst": "cnn", "*": "linear"}, "augment": {"sst": "random-swap"}, "combiner": "pcgrad"}
    planned = plan(**asked, limit=8, steps=2, epochs=1).computing_in("fp32")

    def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError("it was parsed, or looked up, again")

    monkeypatch.setattr(Spec, "parse", refused)
    monkeypatch.setattr(Registry, "find", refused)
    monkeypatch.setattr(Registry, "part", refused)
    data = {name: read_task(t.source, limit=t.limit) for name, t in planned.tasks.items()}
    training = build_training(planned, data, augment(planned, data), torch.device("cpu"), lambda _: None)
    assert list(training.trainer.evaluations()) == [1]
    assert evaluate_splits(training.model, training.dev)[0].keys() == planned.tasks.keys()


def test_a_precision_that_was_chosen_is_recorded(plan: Callable[..., RunPlan]) -> None:
    planned = plan()
    assert planned.config.precision == "auto"
    assert planned.computing_in("bf16").config == msgspec.structs.replace(planned.config, precision="bf16")
