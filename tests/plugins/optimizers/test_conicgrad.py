"""ConicGrad: within its cone, as long as the mean gradient, and no direction there that helps the worst-off task more."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtk_optimizers.conicgrad import in_cone


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.sampled_from([1, 2, 3, 5, 10]),
    alike=st.sampled_from([0.0, 0.3, 1.0]),
    c=st.sampled_from([0.2, 0.5, 0.9, 0.99, 1.0]),
)
def test_no_direction_in_the_cone_helps_the_worst_off_more(seed: int, count: int, alike: float, c: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 20, dtype=torch.float64, generator=generator)
    rows = rows + alike * torch.randn(20, dtype=torch.float64, generator=generator)
    mean = rows.mean(dim=0)
    found = in_cone(rows @ rows.T, c) @ rows
    axis = mean / mean.norm()
    torch.testing.assert_close(found.norm(), mean.norm(), rtol=1e-5, atol=0)
    assert found @ axis / found.norm() >= c - 1e-6
    gain = (rows @ found).min() / found.norm()

    near = 0.2 * torch.rand(3000, 1, dtype=torch.float64, generator=generator)
    tried = found / found.norm() + near * torch.randn(3000, 20, dtype=torch.float64, generator=generator)
    tried = tried / tried.norm(dim=1, keepdim=True)
    along = tried @ axis
    beside = tried - along.unsqueeze(1) * axis
    edge = c * axis + (1 - c * c) ** 0.5 * beside / beside.norm(dim=1, keepdim=True)
    tried = torch.where((along >= c).unsqueeze(1), tried, edge)
    best = (tried @ rows.T).amin(dim=1).max()
    assert best <= max(gain + 1e-6, torch.zeros_like(gain)), "where every direction harms some task, it is the mean"


@pytest.mark.parametrize("c", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_a_solver_of_cones_finds_no_other(seed: int, c: float) -> None:
    """The paper's problem as it stands, of the directions that are no longer than the mean gradient."""
    cvxpy = pytest.importorskip("cvxpy")
    rows = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.3
    mean = rows.mean(dim=0)
    direction = cvxpy.Variable(6)
    in_the_cone = c * mean.norm().item() * cvxpy.norm(direction) <= mean.numpy() @ direction
    worst = cvxpy.Problem(
        cvxpy.Maximize(cvxpy.min(rows.numpy() @ direction)), [in_the_cone, cvxpy.norm(direction) <= mean.norm().item()]
    )
    worst.solve(solver="CLARABEL")
    found = in_cone(rows @ rows.T, c) @ rows
    gain = (rows @ found).min().item()
    if worst.value > 1e-6:
        assert worst.value == pytest.approx(gain, abs=1e-5)
        torch.testing.assert_close(found, torch.from_numpy(direction.value), rtol=1e-4, atol=1e-4)
    else:
        torch.testing.assert_close(found, mean)
