"""FORUM: equal to LibMTL's code, which is its authors', for losses whose slopes do not change over the inner steps; and
lambda is the best there is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published import TASKS, equals, step
from torch import Tensor

from mtk_optimizers.forum import FORUM, chosen


def halves(number: int) -> tuple[Tensor, Tensor]:
    """As those in published, but with the noise in dimensions of its own [3, 8]: so both halves have one Gramian."""
    noise = 0.3 * torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(number + 2000))
    gradients = step(number)[1]
    return torch.cat([gradients, noise], dim=1), torch.cat([gradients, -noise], dim=1)


@pytest.mark.parametrize(
    ("phi", "encoder", "weights"),
    [
        (
            0.1,
            [-0.2615494480925705, -0.005648270369608188, -0.06650796740118724, 0.008237719226635576],
            [0.3041227268991629, 0.39175460754449853, 0.3041226655563386],
        ),
        (
            1.0,
            [-0.6185780339133307, -0.14302403114311513, -0.15084595623327085, -0.070699720024521],
            [0.3059516201205488, 0.42997448051633214, 0.264073899363119],
        ),
    ],
)
def test_equals_the_published_code(phi: float, encoder: list[float], weights: list[float]) -> None:
    """In the sixth step; the authors take the gradients of one half, of which these are the dimensions without noise."""
    combiner = FORUM(TASKS, phi=phi, rate=0.05, period=1).double()
    for number in range(6):
        first, second = halves(number)
        _, gradients, about = step(number)
        given = combiner.weights(gradients @ gradients.T, about, first @ second.T) @ gradients
    equals(given, encoder, tolerance=1e-5)
    equals(combiner.learned.softmax(dim=0), weights, tolerance=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.sampled_from([1, 2, 3, 5, 10]), asked=st.floats(0, 3))
def test_no_other_lambda_is_better(seed: int, count: int, asked: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count + 1, 5, dtype=torch.float64, generator=generator)
    rows = rows / rows.norm(dim=1, keepdim=True)
    unit, along = rows[:-1] @ rows[:-1].T, rows[:-1] @ rows[-1]
    missing = asked - along

    def worth(aims: Tensor) -> Tensor:
        added = (aims @ missing).clamp_min(0)
        direction = aims @ rows[:-1] + added.unsqueeze(-1) * rows[-1]
        return direction.square().sum(dim=-1) - asked * added

    found = chosen(unit, along, missing, torch.tensor(asked, dtype=torch.float64))
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(), torch.ones((), dtype=torch.float64))
    others = torch.rand(4000, count, dtype=torch.float64, generator=generator) ** 4
    others = others / others.sum(dim=1, keepdim=True)
    near = 0.99 * found + 0.01 * others
    assert worth(found.unsqueeze(0)) <= worth(torch.cat([others, near])).min() + 1e-7
