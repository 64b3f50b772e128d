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
from mtk.data.tokens import Batch
from mtk.engine.cuda_graphs import SEEN, RecordedSteps, Recording, choose_recording
from mtk.engine.gradients import Outcome
from mtk.errors import UsageError
from mtk.training.trainer import Trainer


class StandIn:
    """As a caller sees a CUDA graph: recording it does nothing, a replay computes with what then stands in its batches."""

    def __init__(self, work: Callable[[], Outcome]) -> None:
        self.replay = work
        self.freed = False

    def free(self) -> None:
        self.freed = True


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


class Recorder:
    """Steps that do nothing, of which the number of examples is the shape, and what was recorded of them."""

    def __init__(self, most: int = 3) -> None:
        self.recorded: list[StandIn] = []
        self.room = True
        self.steps = RecordedSteps(lambda batches: None, self.record, most=most, room=lambda: self.room)  # type: ignore[arg-type,return-value]

    def record(self, work: Callable[[], Outcome]) -> StandIn:
        self.recorded.append(StandIn(work))
        return self.recorded[-1]

    def step(self, examples: int) -> bool:
        """Whether it was a replay."""
        before = self.steps.replayed
        self.steps({"sst": [Batch((), torch.zeros(examples))]})
        return self.steps.replayed > before

    @property
    def kept(self) -> int:
        return sum(not recording.freed for recording in self.recorded)


def test_what_was_not_replayed_for_longest_makes_way() -> None:
    one = Recorder(most=3)
    for examples in (1, 2, 3, 1, 2, 3, 1):
        one.step(examples)
    assert one.kept == 3
    assert [one.step(4), one.step(4)] == [False, True]
    assert one.kept == 3
    assert [recording.freed for recording in one.recorded] == [False, True, False, False], "1 was replayed after 2"
    assert [one.step(examples) for examples in (1, 3, 4)] == [True] * 3
    assert one.step(2), "it has been seen, and is recorded anew"
    assert one.kept == 3


def test_where_there_is_no_room_recordings_are_freed_and_steps_made_as_they_are() -> None:
    one = Recorder()
    for examples in (1, 2, 1, 2):
        one.step(examples)
    one.room = False
    assert [one.step(1), one.step(3), one.step(3), one.step(1)] == [True, False, False, False]
    assert one.kept == 0
    one.room = True
    assert [one.step(3), one.step(1)] == [True, True]


def test_no_more_shapes_are_remembered_than_may_be() -> None:
    one = Recorder()
    for examples in range(SEEN + 1):
        one.step(examples)
    assert not one.step(0), "it was forgotten"
    assert one.step(SEEN)


@pytest.fixture
def no_waiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def trainer(encoder: Path, combiner: str, *, record: bool, padding_free: bool = False, bf16: bool | None = None) -> Trainer:
    """In bf16 where it is without padding, and else in fp32, if `bf16` does not say."""
    torch.manual_seed(0)
    tasks = [make_task(f"task{number}", kind, number > 0) for number, kind in enumerate(KINDS)]
    heads = {task.name: "concat-mlp:dropout=0" if task.pair else "cnn:dropout=0" for task in tasks}
    model = building.model(encoder, tasks, heads).to("cuda")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    tokens = {task.name: model.tokenize(task.name, split(task.kind, task.pair, 0)) for task in tasks}
    built = building.combiner(combiner, list(tokens)).to("cuda")
    model.autocast = torch.bfloat16 if (padding_free if bf16 is None else bf16) else None
    how = {"padding_free": padding_free, "clip_norm": 1.0}
    engine = building.engine(model.train(), built, names=tokens["task0"].names, **how)
    config = RunConfig(epochs=20)
    return Trainer(
        engine, tokens, dict.fromkeys(tokens, 8), config, building.recipe(), report=lambda progress: None, record=record
    )


@pytest.mark.cuda
@pytest.mark.parametrize("combiner", ["sum", "pcgrad", "round-robin"])
@pytest.mark.parametrize("padding_free", [False, True], ids=["padded", "padding-free"])
def test_cuda_graphs_make_the_steps_they_recorded(tiny_encoder: Path, combiner: str, padding_free: bool) -> None:
    told = []
    for record in (False, True):
        torch.manual_seed(5)
        one = trainer(tiny_encoder, combiner, record=record, padding_free=padding_free)
        steps = []
        for number in range(40):
            turn = one.turns[number % len(one.turns)]
            examples = list(range(number % 4 * 8, number % 4 * 8 + 8))
            steps.append(one.optimize({task: [one.train[task].batch(examples, [16])] for task in turn}).losses)
        told.append(torch.cat(steps).cpu())
    near = {"rtol": 3e-2, "atol": 1e-2} if padding_free else {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(told[1], told[0], **near)


@pytest.mark.cuda
@pytest.mark.parametrize("combiner", ["sum", "pcgrad"])
def test_a_step_without_padding_is_the_step_with_it(tiny_encoder: Path, combiner: str) -> None:
    """As near to the step in single precision as the one with padding is that rounds to bf16 as it does."""
    gradients = []
    for padding_free, bf16 in ((False, False), (False, True), (True, True)):
        one = trainer(tiny_encoder, combiner, record=False, padding_free=padding_free, bf16=bf16)
        one.engine.backward({task: [tokens.batch(range(8))] for task, tokens in one.train.items()})
        own = [p.grad.flatten() for p in one.model.encoder.parameters() if p.grad is not None]
        gradients.append(torch.cat(own))
    exact, padded, free = gradients
    assert 0 < (free - exact).norm() < 1.5 * (padded - exact).norm()


@pytest.mark.cuda
def test_graphs_that_make_way_leave_the_others_right(tiny_encoder: Path) -> None:
    told = []
    for record in (False, True):
        torch.manual_seed(5)
        one = trainer(tiny_encoder, "pcgrad", record=record)
        if one._recorded_step:
            one._recorded_step._most = 2
        steps = []
        for number in range(60):
            lengths = [[16, 16, 24, 32][number // 3 % 4]]
            batches = {task: [tokens.batch(range(8), lengths)] for task, tokens in one.train.items()}
            steps.append(one.optimize(batches).losses)
        told.append(torch.stack(steps).cpu())
    torch.testing.assert_close(told[1], told[0], rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("padding_free", [False, True], ids=["padded", "padding-free"])
def test_no_step_waits_for_the_device(
    tiny_encoder: Path, record: bool, padding_free: bool, request: pytest.FixtureRequest
) -> None:
    one = trainer(tiny_encoder, "pcgrad", record=record, padding_free=padding_free)
    batch = {task: [tokens.batch(range(8), [16])] for task, tokens in one.train.items()}
    for _ in range(4):
        one.optimize(batch)
    request.getfixturevalue("no_waiting")
    for number in range(4):
        one.optimize({task: [tokens.batch(range(number, number + 8), [16])] for task, tokens in one.train.items()})


@pytest.mark.cuda
def test_what_no_graph_can_hold_is_made_as_it_is_and_draws_on(caplog: pytest.LogCaptureFixture) -> None:
    def step(batches: object) -> Outcome:
        drawn = torch.rand(2, device="cuda")
        drawn.sum().item()  # waits for the device
        return Outcome(("sst",), drawn, {}, None, None, torch.ones((), dtype=torch.bool, device="cuda"))

    steps = RecordedSteps(step)
    drawn = [steps({"sst": [Batch((), torch.zeros(2))]}).losses for _ in range(4)]
    assert steps.replayed == 0
    assert "not recorded as a CUDA graph" in caplog.text
    assert len({tuple(each.tolist()) for each in drawn}) == 4


@pytest.mark.cuda
def test_recordings_that_are_dropped_do_not_spoil_others(tiny_encoder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        one = trainer(tiny_encoder, "sum", record=True)
        one.circle = one  # type: ignore[attr-defined]  # so that nothing but the garbage collector finds it
        for number in range(4):
            one.optimize({task: [tokens.batch(range(number, number + 8), [16])] for task, tokens in one.train.items()})
        assert one._recorded_step
        assert one._recorded_step.replayed == 3
    assert not caplog.text
