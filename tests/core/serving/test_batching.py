"""Each gets its own answers, whatever else was computed with them, and tasks that read alike cost one encoding."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from building import model
from kinds import make

import mtk
from mtk.model.multitask import Model
from mtk.serving.batching import Batching, BusyError, Job, answers


@pytest.fixture
def built(tiny_encoder: Path) -> Model:
    one, two = ("text",), ("first", "second")
    tasks = [
        mtk.Task(name="mood", kind=make("classification", ("bad", "good")), text=one, label="l"),
        mtk.Task(name="score", kind=make("regression", range=(0, 5)), text=one, label="l"),
        mtk.Task(name="same", kind=make("binary"), text=two, label="l"),
        mtk.Task(name="near", kind=make("regression", range=(0, 5)), text=two, label="l"),
        mtk.Task(name="words", kind=make("tokens", ("x", "y")), text=one, label="l"),
    ]
    heads = {"mood": "linear", "score": "cnn", "same": "concat-mlp", "near": "cosine", "words": "token-linear"}
    return model(tiny_encoder, tasks, heads).eval()


ONE, TWO = ["the dog is happy", "a cat"], [["the dog", "a dog"], ["one", "two"]]


def ask(model: Model, *asked: tuple[list[str], list[Any]], **how: int) -> list[Any]:
    """The answers to several requests that come at once, or what was raised."""

    async def all_of_them() -> list[Any]:
        batching = Batching(model, **{"batch": 64, "most_waiting": 100, **how})
        jobs = [asyncio.create_task(batching.ask(*each, probabilities=True)) for each in asked]
        await asyncio.sleep(0)
        running = asyncio.create_task(batching.run())
        found = await asyncio.gather(*jobs, return_exceptions=True)
        running.cancel()
        batching.close()
        return found

    return asyncio.run(all_of_them())


def test_each_gets_its_own(built: Model) -> None:
    asked = [(["mood", "score"], ONE), (["near", "same"], TWO), (["mood"], ONE[:1]), (["words"], ONE)]
    for (tasks, texts), found in zip(asked, ask(built, *asked), strict=True):
        assert list(found) == sorted(tasks, key=list(built.tasks).index)
        for task in tasks:
            predicted = built.predict(task, texts)
            for answer, wanted in zip(found[task], predicted, strict=True):
                exactly = pytest.approx(wanted, abs=1e-5) if isinstance(wanted, float) else wanted
                assert answer["prediction"] == exactly


def test_tasks_that_read_alike_cost_one_encoding(built: Model) -> None:
    passes: list[int] = []
    built.encoder.register_forward_hook(lambda *given: passes.append(len(given[1][0]["input_ids"])))

    async def count() -> None:
        answers(built, [Job(["mood", "score"], ONE), Job(["score"], ONE)])
        assert passes == [4]
        answers(built, [Job(["same", "near"], TWO)])

    asyncio.run(count())
    assert sorted(passes) == [2, 4, 4], "a pair as one sequence, and each by itself"


def test_one_that_fails_does_not_spoil_it_for_the_others(built: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = built.split_of

    def split_of(task: str, texts: list[Any]) -> Any:
        if "bad" in texts:
            raise mtk.UsageError("no")
        return whole(task, texts)

    monkeypatch.setattr(built, "split_of", split_of)
    good, bad = ask(built, (["mood"], ONE), (["mood"], ["bad"]))
    assert good["mood"][0]["prediction"] in ("bad", "good")
    assert isinstance(bad, mtk.UsageError)


def test_more_than_may_wait_is_refused_and_a_single_one_never(built: Model) -> None:
    first, second = ask(built, (["mood"], ONE * 4), (["mood"], ONE), most_waiting=4)
    assert len(first["mood"]) == 8
    assert isinstance(second, BusyError)
