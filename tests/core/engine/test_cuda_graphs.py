"""Steps that are recorded and replayed. Where there is no GPU, a stand-in does what a CUDA graph does."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import building
import pytest
import torch
from learnable import KINDS, make_task, split
from three_tasks import TASKS, batches, halves, make_model
from torch import Tensor

from mtk.config import RunConfig
from mtk.data.tokens import TokenizedSplit
from mtk.engine.cuda_graphs import LENGTHS, RecordedSteps, Recording, choose_recording
from mtk.engine.gradients import Outcome
from mtk.errors import UsageError
from mtk.training.trainer import Trainer


class StandIn:
    """As a caller sees a CUDA graph: recording it does nothing, a replay computes with what then stands in its batches."""

    def __init__(self, work: Callable[[], Outcome]) -> None:
        self.replay = work


def losses(record: Callable[[Callable[[], Outcome]], Recording] | None, steps: int = 12) -> Tensor:
    """Of so many steps on batches of two shapes by turns, the same examples never twice."""
    model = make_model()
    engine = building.engine(model, building.combiner("pcgrad", [t.name for t in TASKS]), clip_norm=1.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step(data):  # type: ignore[no-untyped-def]
        outcome = engine.backward(data)
        optimizer.step()
        engine.release()
        return outcome

    make = RecordedSteps(step, record) if record else step
    torch.manual_seed(0)
    told = []
    for seed in range(steps):
        data = batches(seed)
        told.append(make({task: halves(parts) for task, parts in data.items()} if seed % 2 else data).losses)
    return torch.stack(told)


def test_replays_make_the_same_steps() -> None:
    made = []

    def record(work: Callable[[], Outcome]) -> Recording:
        made.append(work)
        return StandIn(work)

    assert torch.equal(losses(record), losses(None))
    assert len(made) == 2  # a recording for each of the two shapes


def test_a_recording_is_of_what_tasks_share_too() -> None:
    """The same shapes with and without a reading in common are two recordings, and in each both tasks read what is new."""
    told: dict[bool, list[Tensor]] = {}
    for recorded in (False, True):
        model = make_model()
        engine = building.engine(model, building.combiner("sum", [t.name for t in TASKS]))

        def step(data, engine=engine):  # type: ignore[no-untyped-def]
            outcome = engine.backward(data)
            engine.release()
            return outcome

        made: list[object] = []
        make = RecordedSteps(step, lambda work, made=made: made.append(work) or StandIn(work)) if recorded else step
        told[recorded] = []
        for seed in range(8):
            data = batches(seed)
            if seed % 2:
                data["sts"] = [dataclasses.replace(data["sts"][0], readings=data["sst"][0].readings)]
            told[recorded].append(make(data).losses)
        assert len(made) == 2 * recorded
    assert torch.equal(torch.stack(told[True]), torch.stack(told[False]))


def test_what_cannot_be_recorded_is_made_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    tries = []

    def fail(work: Callable[[], Outcome]) -> Recording:
        tries.append(work)
        raise RuntimeError("operation not permitted when stream is capturing")

    with caplog.at_level(logging.WARNING, "mtk"):
        assert torch.equal(losses(fail), losses(None))
    assert len(tries) == 1
    (warning,) = caplog.messages
    assert "not recorded as a CUDA graph, and will be slower: operation not permitted" in warning


def test_where_steps_are_recorded() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert not choose_recording("auto", cpu, "sum", uses_host=False)
    assert choose_recording("auto", cuda, "sum", uses_host=False)
    assert choose_recording("on", cuda, "sum", uses_host=False)
    assert not choose_recording("off", cuda, "sum", uses_host=False)
    assert not choose_recording("auto", cuda, "nash-mtl", uses_host=True)
    with pytest.raises(UsageError, match="--compile on: a step is recorded as a CUDA graph, and this run is on cpu"):
        choose_recording("on", cpu, "sum", uses_host=False)
    with pytest.raises(UsageError, match="the combiner 'nash-mtl' computes on the host in every step"):
        choose_recording("on", cuda, "nash-mtl", uses_host=True)


def test_lengths_are_padded_to_a_few(tiny_encoder: Path) -> None:
    encoder = building.encoder(tiny_encoder)
    texts = split(KINDS[0], False, 0)
    tokens = TokenizedSplit(texts, encoder.tokenizer, pair_encoding="separate", max_length=24, device=torch.device("cpu"))
    exact, padded = tokens.batch([0, 1, 2]), tokens.batch([0, 1, 2], LENGTHS)
    length = exact.readings[0].inputs["input_ids"].shape[1]
    assert length < LENGTHS
    assert padded.readings[0].inputs["input_ids"].shape == (3, LENGTHS)
    assert padded.tokens == exact.tokens
    for name, values in padded.readings[0].inputs.items():
        assert torch.equal(values[:, :length], exact.readings[0].inputs[name])
    assert not padded.readings[0].inputs["attention_mask"][:, length:].any()
    assert tokens.batch([0], 100).readings[0].inputs["input_ids"].shape == (
        1,
        24,
    )  # what it may read


@pytest.fixture
def no_waiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def trainer(encoder: Path, combiner: str, *, record: bool) -> Trainer:
    torch.manual_seed(0)
    tasks = [make_task(f"task{number}", kind, number > 0) for number, kind in enumerate(KINDS)]
    heads = {task.name: "concat-mlp:dropout=0" if task.pair else "cnn:dropout=0" for task in tasks}
    model = building.model(encoder, tasks, heads).to("cuda")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    tokens = {task.name: model.tokenize(task.name, split(task.kind, task.pair, 0)) for task in tasks}
    built = building.combiner(combiner, list(tokens)).to("cuda")
    engine = building.engine(model.train(), built, names=tokens["task0"].names, clip_norm=1.0)
    config = RunConfig(epochs=20)
    return Trainer(
        engine, tokens, dict.fromkeys(tokens, 8), config, building.recipe(), report=lambda progress: None, record=record
    )


@pytest.mark.cuda
@pytest.mark.parametrize("combiner", ["sum", "pcgrad", "round-robin"])
def test_cuda_graphs_make_the_steps_they_recorded(tiny_encoder: Path, combiner: str) -> None:
    told = []
    for record in (False, True):
        torch.manual_seed(5)
        one = trainer(tiny_encoder, combiner, record=record)
        steps = []
        for number in range(40):
            turn = one.turns[number % len(one.turns)]
            examples = list(range(number % 4 * 8, number % 4 * 8 + 8))
            steps.append(one.optimize({task: [one.train[task].batch(examples, LENGTHS)] for task in turn}).losses)
        told.append(torch.cat(steps).cpu())
    torch.testing.assert_close(told[1], told[0], rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("record", [False, True])
def test_no_step_waits_for_the_device(tiny_encoder: Path, record: bool, request: pytest.FixtureRequest) -> None:
    one = trainer(tiny_encoder, "pcgrad", record=record)
    batch = {task: [tokens.batch(range(8), LENGTHS)] for task, tokens in one.train.items()}
    for _ in range(4):
        one.optimize(batch)
    request.getfixturevalue("no_waiting")
    for number in range(4):
        one.optimize({task: [tokens.batch(range(number, number + 8), LENGTHS)] for task, tokens in one.train.items()})
