"""What is shared is made once; a run that shares is to the last bit the run that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import mtk
from mtk.training import build
from mtk.training.shared import MOST, Shared


def test_a_thing_is_made_once_for_each_key_and_a_copy_is_the_callers() -> None:
    shared, made = Shared(), list[str]()

    def make() -> list[str]:
        made.append("x")
        return ["one"]

    assert shared.once("a", make) is shared.once("a", make)
    assert shared.copy_of("a", make) is not shared.once("a", make)
    assert len(made) == 1
    shared.once("b", make)
    assert len(made) == 2


def test_what_was_not_used_for_longest_goes_first() -> None:
    shared, made = Shared(), list[int]()
    for number in [0, *range(MOST), 0, MOST, 0, 1]:
        shared.once(number, lambda number=number: made.append(number))  # type: ignore[misc]
    assert made == [*range(MOST + 1), 1]


RUNS: list[dict[str, Any]] = [
    {"combiner": "pcgrad", "seed": 0},
    {"combiner": "sum", "seed": 1, "heads": {"para": "cosine"}, "dropout": 0.3},
    {"combiner": "pcgrad", "seed": 0, "pooling": "attention", "stages": ["mlm:epochs=1"]},
    {"combiner": "pcgrad", "seed": 0, "max_length": 8, "limit": 20},
]


def test_runs_that_share_are_the_runs_that_do_not(
    tiny_corpus: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common: dict[str, Any] = {"data": str(tiny_corpus), "encoder": str(tiny_encoder), "epochs": 1, "device": "cpu"}
    common |= {"precision": "fp32", "checkpoint_every": "0"}
    loaded, real = list[str](), build.load_parts

    def load(*arguments: Any, **named: Any) -> Any:
        loaded.append("encoder")
        return real(*arguments, **named)

    monkeypatch.setattr(build, "load_parts", load)
    shared = Shared()
    for number, settings in enumerate(RUNS):
        together = mtk.run(**common, **settings, out=tmp_path / f"together-{number}", shared=shared)
        torch.rand(number + 1)  # what a process did before decides nothing
        alone = mtk.run(**common, **settings, out=tmp_path / f"alone-{number}")
        assert together.best == alone.best
        one, other = (mtk.load(r.out, device="cpu").state_dict() for r in (together, alone))
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert len(loaded) == 1 + len(RUNS), "once for all that share, and once for each that does not"
