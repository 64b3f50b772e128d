"""Where training is, written and taken up again: in another process, in another trainer, to the last bit."""

from __future__ import annotations

from pathlib import Path

import building
import msgspec
import pytest
import torch

from mtk.config import check
from mtk.errors import DataError
from mtk.events import Evaluation
from mtk.training.resume import Due, read_state, restore, save_state
from mtk.training.run_directory import Told
from mtk.training.trainer import Trainer

BEST = Evaluation(step=3, epoch=1, metrics={"sst": {"accuracy": 0.5}}, average=0.5, best=True)


COMBINERS = [c.qualified + building.NEEDED.get(c.name, "") for c in building.REGISTRY.components if c.kind == "combiner"]

PERIODS = [f"{name}:period=2" for name in ("dwa", "forum", "igb")]  # which are longer than these tests otherwise


def trainer(encoder: Path, corpus: Path, combiner: str = "pcgrad", **settings: object) -> Trainer:
    data = building.read_tasks(corpus, {"sst": 40, "para": 24, "sts": 10})
    model = building.model(encoder, [d.task for d in data.values()], "linear:dropout=0.2", 32)
    tokens = {name: model.tokenize(name, d.train) for name, d in data.items()}
    engine = building.engine(model, building.combiner(combiner, list(data)), names=tokens["sst"].names, clip_norm=1.0)
    config = check({"epochs": 4, "epoch": 5, **settings})
    torch.manual_seed(0)
    return Trainer(engine, tokens, dict.fromkeys(data, 8), config, building.recipe(), report=lambda progress: None)


def weights(of: Trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in of.model.parameters()])


def epochs(of: Trainer, count: int) -> None:
    for _, _ in zip(range(count), of.evaluations(), strict=False):
        of.evaluated = of.step


@pytest.mark.parametrize("combiner", [*COMBINERS, "pcgrad:scope=layer", "gradnorm:scope=layer,smoothing=0.5", *PERIODS])
def test_another_trainer_goes_on_where_one_was(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path, combiner: str) -> None:
    """With every combiner, to the last bit, dropout and all."""
    whole, left, taken = (trainer(tiny_encoder, tiny_corpus, combiner, epochs=2, epoch=3) for _ in range(3))
    torch.manual_seed(0)
    epochs(whole, 2)
    torch.manual_seed(0)
    epochs(left, 1)
    save_state(left, tmp_path / "checkpoint", BEST, Told(123, "0" * 64), {"ear": {"patience": 2}})

    torch.manual_seed(99)  # whatever went on meanwhile
    state = read_state(tmp_path / "checkpoint")
    assert state is not None
    restore(taken, tmp_path / "checkpoint", state)
    assert (taken.step, taken.evaluated, int(taken.engine.number)) == (left.step, left.evaluated, left.step)
    assert (state.best, state.told, state.listeners) == (BEST, Told(123, "0" * 64), {"ear": {"patience": 2}})
    assert list(taken.evaluations()) == [2]
    assert torch.equal(weights(taken), weights(whole))


def test_what_is_not_there_is_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path / "checkpoint") is None


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
def test_a_damaged_state_is_refused(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path, file: str) -> None:
    save_state(trainer(tiny_encoder, tiny_corpus), tmp_path / "checkpoint", None, Told(0, ""), {})
    damaged = tmp_path / "checkpoint" / file
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(DataError, match="it was truncated or edited"):
        read_state(tmp_path / "checkpoint")


def test_a_number_that_was_changed_is_found_and_what_had_no_seal_is_read(
    tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    save_state(trainer(tiny_encoder, tiny_corpus), tmp_path / "checkpoint", None, Told(0, ""), {})
    card = tmp_path / "checkpoint" / "state.json"
    first, _, others = card.read_bytes().partition(b"\n")
    assert b'"examples": 0' in others
    changed = others.replace(b'"examples": 0', b'"examples": 1')
    for content in (first + b"\n" + changed, b"{" + others):
        card.write_bytes(content)
        with pytest.raises(DataError, match="it was truncated or edited"):
            read_state(tmp_path / "checkpoint")
    card.write_bytes(b"{" + others.replace(b'"format": 3', b'"format": 2'))  # as runs of before have it
    assert read_state(tmp_path / "checkpoint") is not None


def test_the_state_of_another_run_is_refused(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    save_state(trainer(tiny_encoder, tiny_corpus), tmp_path / "checkpoint", None, Told(0, ""), {})
    state = read_state(tmp_path / "checkpoint")
    assert state is not None
    other = trainer(tiny_encoder, tiny_corpus)
    other.model.heads[0] = torch.nn.Linear(3, 3)
    with pytest.raises(DataError, match="does not fit the run"):
        restore(other, tmp_path / "checkpoint", state)
    unknown = msgspec.structs.replace(state, places={"nobody": next(iter(state.places.values()))})
    with pytest.raises(DataError, match="does not fit the run"):
        restore(trainer(tiny_encoder, tiny_corpus), tmp_path / "checkpoint", unknown)


def test_a_longer_schedule_goes_on_at_its_own_rates(tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    short, long = trainer(tiny_encoder, tiny_corpus, epochs=2), trainer(tiny_encoder, tiny_corpus, epochs=4)
    epochs(short, 2)
    save_state(short, tmp_path / "checkpoint", None, Told(0, ""), {})
    epochs(long, 2)
    taken = trainer(tiny_encoder, tiny_corpus, epochs=4)
    state = read_state(tmp_path / "checkpoint")
    assert state is not None
    restore(taken, tmp_path / "checkpoint", state)
    assert [g["lr"] for g in taken.optimizer.param_groups] == [g["lr"] for g in long.optimizer.param_groups]
    assert list(taken.evaluations()) == [3, 4]


def test_when_a_checkpoint_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    assert [step for step in range(1, 10) if Due("3")(step)] == [3, 6, 9]
    assert not any(Due("0")(step) for step in range(10))
    assert not Due("0").ever
    by_time = Due("2m")
    assert not by_time(7)
    now[0] = 121.0
    assert by_time(7)
    by_time.done()
    assert not by_time(7)
