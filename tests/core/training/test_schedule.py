"""The learning rate rises linearly over the warm-up, and falls linearly to 0 at the last step."""

from __future__ import annotations

import building
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtk.training.schedule import build_schedule


def rates(warmup: float, steps: int, rate: float = 2.0) -> list[float]:
    """The rate of each step, and of one after the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate)
    schedule = build_schedule(building.REGISTRY.part("schedule", "linear").build(), optimizer, warmup, steps)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@given(warmup=st.floats(0, 0.99), steps=st.integers(1, 60))
def test_it_rises_to_the_rate_and_falls_to_nothing(warmup: float, steps: int) -> None:
    found, top = rates(warmup, steps), round(warmup * steps)
    assert found[-1] == pytest.approx(0)
    for step, rate in enumerate(found):
        share = step / top if step < top else (steps - step) / max(1, steps - top)
        assert rate == pytest.approx(2.0 * share)


def test_without_a_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert rates(0.0, 4) == pytest.approx([2, 1.5, 1, 0.5, 0])
