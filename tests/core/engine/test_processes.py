"""Several processes come to what one comes to: the same losses and the same weights, whichever combiner, however uneven the
batches; and where one of them cannot go on, none does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import building
import pytest
import torch
from three_tasks import TASKS, batches, make_model
from together import losses_heard, one_thread, together
from torch import Tensor

from mtk.config import RunConfig, check
from mtk.engine.gradients import Engine
from mtk.engine.processes import ALONE, FEWEST, Processes, place_in
from mtk.errors import LostProcessError, NonFiniteError, UsageError
from mtk.model.multitask import Model
from mtk.training.evaluation import evaluate_splits
from mtk.training.trainer import Trainer

# What each process takes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("sizes", [(16, 16, 16), (16, 2, 5), (1, 1, 3), (3, 0, 14), (29, 4, 1)])
def test_every_example_is_taken_once_and_none_alone_that_need_not_be(count: int, sizes: tuple[int, ...]) -> None:
    examples = {f"task {number}": list(range(100, 100 + size)) for number, size in enumerate(sizes)}
    shares = [Processes(rank, count).share(examples) for rank in range(count)]
    for task, numbers in examples.items():
        taken = [share[task] for share in shares]
        assert sorted(number for own in taken for number in own) == numbers
        assert all(len(own) >= FEWEST or not own for own in taken) or len(numbers) < FEWEST
        used = [len(own) for own in taken if own]
        assert not used or max(used) - min(used) <= 1


@pytest.mark.parametrize("examples", range(1, 20))
def test_it_is_known_how_many_examples_others_take(examples: int) -> None:
    numbers = {"task": list(range(examples))}
    taken = {len(Processes(rank, 4).share(numbers)["task"]) for rank in range(4)}
    assert taken - {0} == Processes(0, 4).shared_out(examples)


def test_small_batches_go_to_different_processes() -> None:
    examples = {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}
    assert [bool(Processes(rank, 4).share(examples)["a"]) for rank in range(4)] == [True, True, False, False]
    assert [bool(Processes(rank, 4).share(examples)["b"]) for rank in range(4)] == [False, False, True, True]


def test_tasks_of_the_same_examples_have_the_same() -> None:
    """So that what they read alike is still encoded once."""
    examples = {"a": [1, 2, 3], "b": [5, 6], "c": [1, 2, 3], "d": [7, 8, 9, 10]}
    shares = [Processes(rank, 4).share(examples) for rank in range(4)]
    assert all(share["a"] == share["c"] for share in shares)
    assert [bool(share["d"]) for share in shares] == [False, False, True, True]


def test_one_process_takes_all_and_draws_as_it_would() -> None:
    assert ALONE.share({"a": [3, 1, 2]}) == {"a": [3, 1, 2]}
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with ALONE.draws("anything"):
        assert torch.equal(torch.rand(3), expected)


# What they come to ---------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    combiner: str
    packed: bool = True
    settings: Mapping[str, Any] = MappingProxyType({})
    many_entries: int = 10  # so that the embeddings' table is sent by its touched rows

    def __str__(self) -> str:
        told = [f"{name}={value}" for name, value in self.settings.items()]
        return " ".join([self.combiner, *([] if self.packed else ["plain"]), *told])


CASES = [
    Case("sum"),
    Case("sum", packed=False),
    Case("round-robin"),
    Case("pcgrad"),
    Case("pcgrad", packed=False),
    Case("pcgrad:scope=layer"),
    Case("pcgrad", many_entries=8_192, settings={"accumulate": 3}),
    Case("upgrad"),
    Case("graddrop"),
    Case("uw"),
    Case("uw", packed=False, settings={"accumulate": 2}),
    Case("sum", settings={"cosines": "layer", "clip_norm": 0.0}),
]
COUNTS = [(case, 3 + number % 2) for number, case in enumerate(CASES)]  # of processes; two are tried below, in a shorter run
LONG = 12  # steps of these runs, with parts of the last batches empty
STEPS = 8


class Trained(NamedTuple):
    losses: list[Tensor]  # [T] of each step
    weights: list[Tensor]


def trained(encoder: Path, corpus: Path, case: Case, processes: Processes, steps: int = STEPS) -> Trained:
    data = building.read_tasks(corpus, {"sst": 40, "para": 24, "sts": 10})  # sts has a batch of 2 in every pass
    torch.manual_seed(0)
    model = building.model(encoder, [d.task for d in data.values()], "linear", 32)
    config: RunConfig = check({"learning_rate": 1e-3, "steps": steps, "epochs": steps, **case.settings})
    tokens = {name: model.tokenize(name, d.train) for name, d in data.items()}
    engine = Engine(
        model,
        building.combiner(case.combiner, list(data)),
        packed=case.packed,
        clip_norm=config.clip_norm,
        cosines=config.cosines,
        processes=processes,
    )
    trainer = Trainer(engine, tokens, dict.fromkeys(data, 8), config, building.recipe(), report=lambda _: None)
    losses = losses_heard(engine)
    torch.manual_seed(1)
    list(trainer.evaluations())
    return Trained(losses, [parameter.detach() for parameter in model.parameters()])


def all_trained(encoder: Path, corpus: Path, processes: Processes) -> list[Trained]:
    """Every case, one after the other. Models stay in eval mode: what dropout drops depends on who draws."""
    found = []
    for case in CASES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Model, "train", lambda model, _=True: torch.nn.Module.train(model, False))
            patch.setattr("mtk.engine.packing.routing.MANY_ENTRIES", case.many_entries)
            found.append(trained(encoder, corpus, case, processes))
    return found


@pytest.fixture(scope="module")
def by_one_and_by_two(tiny_encoder: Path, tiny_corpus: Path) -> tuple[list[Trained], list[list[Trained]]]:
    with one_thread():
        alone = all_trained(tiny_encoder, tiny_corpus, ALONE)
        return alone, together(2, lambda processes: all_trained(tiny_encoder, tiny_corpus, processes))


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_two_processes_train_as_one_does(by_one_and_by_two: tuple[list[Trained], list[list[Trained]]], number: int) -> None:
    alone, both = by_one_and_by_two[0][number], [of_all[number] for of_all in by_one_and_by_two[1]]
    for one in both:
        torch.testing.assert_close(one.losses, alone.losses, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(one.weights, alone.weights, atol=1e-5, rtol=1e-4)
    assert all(torch.equal(*pair) for pair in zip(both[0].weights, both[1].weights, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("case", "count"), COUNTS, ids=str)
def test_any_number_of_processes_trains_as_one_does(
    tiny_encoder: Path, tiny_corpus: Path, case: Case, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "train", lambda model, _=True: torch.nn.Module.train(model, False))
    monkeypatch.setattr("mtk.engine.packing.routing.MANY_ENTRIES", case.many_entries)
    alone = trained(tiny_encoder, tiny_corpus, case, ALONE, LONG)
    for one in together(count, lambda processes: trained(tiny_encoder, tiny_corpus, case, processes, LONG)):
        torch.testing.assert_close(one.losses, alone.losses, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.weights, alone.weights, atol=1e-4, rtol=1e-3)


def test_a_process_without_examples_has_the_same_gradients(tiny_encoder: Path) -> None:
    """float64: the gradient of each parameter, and none for what nobody uses."""
    given = batches()

    def gradients(processes: Processes) -> list[Tensor | None]:
        model = make_model()
        engine = building.engine(model, building.combiner("pcgrad", [t.name for t in TASKS]), processes=processes)
        torch.manual_seed(0)
        own = given if processes.is_first else {task: [] for task in given}
        engine.backward(own, {task: sum(map(len, parts)) for task, parts in given.items()})
        return [p.grad for p in model.parameters()]

    alone, both = gradients(ALONE), together(2, gradients)
    assert None in alone
    for found in both:
        for one, other in zip(alone, found, strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                torch.testing.assert_close(one, other)


def test_each_row_is_evaluated_once(tiny_encoder: Path, tiny_corpus: Path) -> None:
    data = building.read_tasks(tiny_corpus, {"sst": 7, "para": 1, "sts": 10})
    torch.manual_seed(0)
    model = building.model(tiny_encoder, [d.task for d in data.values()], "linear", 32)
    dev = {name: model.tokenize(name, d.dev) for name, d in data.items()}
    rows = dict.fromkeys(dev, 0)

    def evaluated(processes: Processes) -> Any:
        predict = model.predicted

        def counted(task: str, *given: Any) -> Tensor:
            answer = predict(task, *given)
            rows[task] += len(answer)
            return answer

        model.predicted = counted  # type: ignore[method-assign]
        return evaluate_splits(model, dev, processes=processes), rows

    alone, several = evaluate_splits(model, dev), together(3, evaluated)
    for found, _ in several:
        assert all(found.metrics[name] == pytest.approx(alone.metrics[name]) for name in dev)
        assert found.losses == pytest.approx(alone.losses)
        for name, predictions in alone.predictions.items():
            torch.testing.assert_close(found.predictions[name], predictions)
    assert {name: sum(counts[name] for _, counts in several) for name in dev} == {n: len(t) for n, t in dev.items()}


# What they draw, tell and agree on -----------------------------------------------------------------------------------------


def test_draws_are_each_ones_own_inside_and_alike_outside() -> None:
    def drawn(processes: Processes) -> tuple[Tensor, Tensor, Tensor]:
        torch.manual_seed(3)
        with processes.draws("step", 1):
            inside = torch.rand(4)
        with processes.draws("step", 1):
            again = torch.rand(4)
        return inside, again, torch.rand(4)

    (inside, again, outside), (others_inside, _, others_outside) = together(2, drawn)
    assert torch.equal(inside, again)
    assert not torch.equal(inside, others_inside)
    assert torch.equal(outside, others_outside)
    torch.manual_seed(3)
    assert torch.equal(outside, torch.rand(4))  # as if nothing had been drawn


def test_what_one_of_them_cannot_do_none_does() -> None:
    def tried(processes: Processes) -> list[str]:
        def work() -> int:
            if processes.rank == 1:
                raise NonFiniteError("of the second")
            return processes.rank

        def interrupted() -> None:
            raise KeyboardInterrupt

        seen = []
        for attempt in (
            lambda: processes.together(work),
            lambda: processes.first(lambda: processes.rank),
            lambda: processes.first(interrupted),
            lambda: processes.any(processes.rank == 1),
            lambda: processes.any(False),
        ):
            try:
                seen.append(str(attempt()))
            except (NonFiniteError, KeyboardInterrupt) as error:
                seen.append(f"{type(error).__name__} {error}".strip())
        return [*seen, str(processes.now())]

    first, second = together(2, tried)
    assert first[:-1] == ["NonFiniteError of the second", "0", "KeyboardInterrupt", "True", "False"]
    assert first == second  # the time too


def test_buffers_are_those_of_the_first() -> None:
    def synchronized(processes: Processes) -> Tensor:
        model = make_model()
        model.heads.register_buffer("running", torch.full((2,), float(processes.rank + 1), dtype=torch.float64))
        engine = building.engine(model, building.combiner("sum", [t.name for t in TASKS]), processes=processes)
        engine.backward(batches())
        return model.heads.running  # type: ignore[union-attr,return-value]

    assert [found.tolist() for found in together(2, synchronized)] == [[1.0, 1.0]] * 2


def test_a_process_that_ends_is_missed() -> None:
    def left(processes: Processes) -> str:
        if processes.rank == 1:
            os._exit(0)
        with pytest.raises(LostProcessError, match="Another process of this run has ended") as caught:
            processes.sum([torch.ones(1)])
        return str(caught.value)

    with pytest.raises(AssertionError, match="process 1: it ended and said nothing"):  # and the first one is content
        together(2, left)


@pytest.fixture
def _one_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    told = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "LOCAL_RANK": "1"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return


@pytest.mark.usefixtures("_one_of_two")
def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert place_in(torch.device("cuda")) == torch.device("cuda", 1)
    assert place_in(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UsageError, match="cuda:0 is one GPU"):
        place_in(torch.device("cuda", 0))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(UsageError, match="more processes than GPUs"):
        place_in(torch.device("cuda"))
