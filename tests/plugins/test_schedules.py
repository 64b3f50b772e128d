"""Schedules: up in a line, and down as the formula says."""

from __future__ import annotations

from math import cos, pi

import pytest
import torch
from building import REGISTRY
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

import mtk
from mtk.schedule import Schedule
from mtk.training.schedule import build_schedule

STEPS, WARMUP = 50, 0.2


def factors(schedule: Schedule) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    built = build_schedule(schedule, optimizer, WARMUP, STEPS)
    return [built.lr_lambdas[0](step) for step in range(STEPS + 1)]


def named(text: str) -> list[float]:
    return factors(REGISTRY.part("schedule", text).build())


@pytest.mark.parametrize(
    ("text", "theirs"), [("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)]
)
def test_it_is_that_of_transformers(text: str, theirs: object) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    expected = theirs(optimizer, round(WARMUP * STEPS), STEPS).lr_lambdas[0]  # type: ignore[operator]
    assert named(text) == pytest.approx([expected(step) for step in range(STEPS + 1)], abs=1e-12)


def test_the_others_by_their_formulas() -> None:
    rise = [step / 10 for step in range(10)]
    assert named("constant") == rise + [1.0] * 41
    assert named("wsd:decay=0.5,final=0.1") == pytest.approx(
        rise + [1.0] * 21 + [0.1 + 0.9 * (20 - n) / 20 for n in range(1, 21)]
    )
    assert named("cosine:final=0.2")[30] == pytest.approx(0.2 + 0.8 * (1 + cos(pi / 2)) / 2)


@pytest.mark.parametrize("given", [-0.1, float("nan"), "much", None])
def test_what_is_no_rate_is_refused_before_the_first_step(given: object) -> None:
    class Odd(mtk.Schedule):
        def factor(self, left: float) -> float:
            return given if left < 0.5 else 1.0  # type: ignore[return-value]

    with pytest.raises(mtk.UsageError, match="its factor promises a number of 0 or more, and gave"):
        factors(Odd())
