"""The best weights that are not negative and have the sum 1, in a fixed number of steps on the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 40  # each makes the gap to the optimum several times smaller
CLOSE = 1e-15  # multipliers times numbers, at which the optimum is found
SHORT = 1e-7  # the least that a length is taken for


def shortest(gramian: Tensor) -> Tensor:
    """gramian [..., T, T], float64 -> the weights w [..., T] that make w @ gramian @ w the least."""
    return least(gramian, torch.zeros_like(gramian[..., 0]))


def least(quadratic: Tensor, linear: Tensor) -> Tensor:
    """quadratic [..., T, T], positive semidefinite, and linear [..., T], float64 -> the weights w [..., T] that make
    w @ quadratic @ w / 2 + linear @ w the least."""
    largest = torch.maximum(quadratic.diagonal(dim1=-2, dim2=-1).amax(dim=-1), linear.abs().amax(dim=-1))
    unit = torch.where(largest > 0, 1 / largest, 1).unsqueeze(-1)
    quadratic, linear = quadratic * unit.unsqueeze(-1), linear * unit
    begin = torch.full_like(linear, 1 / linear.shape[-1])
    return _interior(
        lambda weights: ((quadratic @ weights.unsqueeze(-1)).squeeze(-1) + linear, quadratic), begin, torch.ones_like(begin)
    )


def least_with_length(gramian: Tensor, linear: Tensor, radius: Tensor) -> Tensor:
    """gramian [T, T] of vectors, linear [T] and radius [], float64 -> the weights w [T] that make linear @ w + radius |w|
    the least, |w| the length of the vectors' combination. |w| is the least of (|w|² / s + s) / 2 over s > 0, which is convex
    in both: so s is one more number to be found. It is found where it is ten thousandth of the longest vector's, or more."""
    largest = gramian.diagonal().amax()
    gramian = gramian / torch.where(largest > 0, largest, 1)
    radius = radius * largest.clamp_min(0).sqrt()
    unit = torch.maximum(radius, linear.abs().amax())
    unit = torch.where(unit > 0, unit, 1)
    linear, radius = linear / unit, radius / unit

    def slope_and_curvature(found: Tensor) -> tuple[Tensor, Tensor]:
        weights, length = found[:-1], found[-1] + SHORT
        inner = gramian @ weights / length
        square = weights @ inner / length
        slope = torch.cat([linear + radius * inner, radius * (1 - square).reshape(1) / 2])
        of_length = torch.cat([-inner, square.reshape(1)])
        curvature = torch.cat([torch.cat([gramian, -inner.unsqueeze(0)]), of_length.unsqueeze(1)], dim=1)
        return slope, radius / length * curvature

    shares = torch.cat([torch.full_like(linear, 1 / len(linear)), linear.new_ones(1)])
    summed = torch.cat([torch.ones_like(linear), linear.new_zeros(1)])
    return _interior(slope_and_curvature, shares, summed)[:-1]


def nearest(values: Tensor) -> Tensor:
    """values [..., T] -> the weights [..., T] at the least distance from them."""
    values = values - values.amax(dim=-1, keepdim=True)  # so that 1 is not lost beside large ones
    ordered = values.sort(dim=-1, descending=True).values
    counts = torch.arange(1, values.shape[-1] + 1, device=values.device)
    beyond = (ordered.cumsum(dim=-1) - 1) / counts  # the share of each that is too much, were the first so many above zero
    last = (ordered > beyond).sum(dim=-1, keepdim=True) - 1
    return (values - beyond.gather(-1, last.clamp_min(0))).clamp_min(0)


def _interior(slope_and_curvature: Callable[[Tensor], tuple[Tensor, Tensor]], begin: Tensor, summed: Tensor) -> Tensor:
    """The numbers x >= 0 [..., N], with summed @ x as it is at the `begin`, that make a convex function the least, of which
    the slope [..., N] and the curvature [..., N, N] are given. By a primal-dual interior-point method, whose accuracy is
    relative to 1."""
    count = begin.shape[-1]
    found, due = begin, (begin * summed).sum(dim=-1, keepdim=True)
    slack, bound = torch.ones_like(found), torch.zeros_like(due)  # multipliers of x >= 0, and of the sum
    system = begin.new_zeros(*begin.shape[:-1], count + 1, count + 1)
    system[..., :count, count], system[..., count, :count] = -summed, summed
    for _ in range(STEPS):
        slope, curvature = slope_and_curvature(found)
        centre = 0.1 * (found * slack).mean(dim=-1, keepdim=True)
        system[..., :count, :count] = curvature + torch.diag_embed(slack / found)
        missing = due - (found * summed).sum(dim=-1, keepdim=True)
        wanted = torch.cat([centre / found - slope + bound * summed, missing], dim=-1)
        solved, _ = torch.linalg.solve_ex(system, wanted.unsqueeze(-1))
        move, of_bound = solved[..., :count, 0], solved[..., count:, 0]
        of_slack = (centre - slack * move) / found - slack
        before = torch.cat([found, slack, bound], dim=-1)
        step = torch.cat([move, of_slack, of_bound], dim=-1)
        room = torch.where(step < 0, before / -step, torch.inf)[..., :-1].amin(dim=-1, keepdim=True)
        after = before + (0.95 * room).clamp_max(1) * step
        after = torch.where(after.isfinite().all(dim=-1, keepdim=True), after, before)
        found, slack, bound = after[..., :count], after[..., count:-1], after[..., -1:]
        if found.is_cpu and bool(((found * slack).amax(dim=-1) < CLOSE).all()):  # elsewhere to look would be to wait
            break
    return found
