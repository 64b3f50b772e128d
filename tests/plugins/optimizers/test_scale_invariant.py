"""The sum of logarithms: as the code that Dai, Fei and Lu published has it, and no task's units matter."""

from __future__ import annotations

import torch
from published import TASKS, equals, slopes

from mtk_optimizers.scale_invariant import ScaleInvariant


def test_equals_the_published_code() -> None:
    equals(slopes(ScaleInvariant(TASKS), 0), [0.6802475820743175, 0.8279380307235951, 1.0423366468661026])


def test_the_units_of_a_loss_do_not_matter() -> None:
    for unit in (1e-3, 1.0, 1e3):
        theta = torch.tensor(2.0, requires_grad=True)
        ScaleInvariant(["a", "b"]).scalarize(torch.stack([unit * theta, 3 * theta])).backward()
        assert theta.grad is not None
        torch.testing.assert_close(theta.grad, torch.tensor(1.0))


def test_a_loss_of_zero_has_no_gradient() -> None:
    losses = torch.tensor([0.0, 2.0], requires_grad=True)
    ScaleInvariant(["a", "b"]).scalarize(losses).backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == [0, 0.5]
