"""What several tasks settle on, each wanting its own progress: weights that solve G x = (share / x)^power, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 40  # of Newton's method, which needs some ten where the tasks agree
RIDGE = 1e-8  # of the Gramian's mean square: with none, tasks that cancel each other, or have no gradient, weigh infinitely
HALVINGS = 12  # of a step that goes too far


def settle(gramian: Tensor, shares: Tensor, power: float) -> Tensor:
    """gramian [T, T] and shares [T], above zero, float64 -> the weights x [T], above zero, with gramian @ x =
    (shares / x)^power.

    They make x @ gramian @ x / 2 - sum_i share_i^power x_i^(1 - power) / (1 - power) the least, for the power 1 with the
    logarithm in the last term: for powers up to 1 a convex function, by Newton's method.
    """
    mean = gramian.diagonal().mean()
    unit = torch.where(mean > 0, mean, 1)
    scaled = gramian / unit + RIDGE * torch.eye(len(gramian), dtype=gramian.dtype, device=gramian.device)
    wanted = shares**power

    def worth(x: Tensor) -> Tensor:
        """x [..., T] -> []."""
        gain = x.log() if power == 1 else x ** (1 - power) / (1 - power)
        return ((x @ scaled) * x).sum(dim=-1) / 2 - gain @ wanted

    halves = 0.5 ** torch.arange(HALVINGS, dtype=gramian.dtype, device=gramian.device).unsqueeze(1)
    x = (wanted / scaled.diagonal()) ** (1 / (1 + power))  # as if no task met another
    for _ in range(STEPS):
        slope = scaled @ x - wanted / x**power
        move, _ = torch.linalg.solve_ex(scaled + torch.diag(power * wanted / x ** (power + 1)), -slope)
        room = torch.where(move < 0, x / -move, torch.inf).amin()
        steps = (0.95 * room).clamp_max(1) * halves * move  # [12, T]
        tried = x + steps
        worths = torch.nan_to_num(worth(tried), nan=torch.inf)
        best = tried.index_select(0, worths.argmin(dim=0, keepdim=True)).squeeze(0)
        moved = torch.where(worths.amin() < worth(x), best, x)
        if x.is_cpu and torch.equal(moved, x):  # elsewhere to look would be to wait
            break
        x = moved
    return x * unit ** (-1 / (1 + power))
