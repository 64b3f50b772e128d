"""Whether the contestants of `step.py` compute the gradients they are said to, without dropout and in fp32.

The measure is plain PyTorch: a backward pass for each task alone, and for PCGrad algorithm 1 of Yu et al. 2020 on whole
gradients, which sums what it has projected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations

import measuring
import rivals
import torch
from torch import Tensor, nn

from mtk.data.tokens import Batch
from mtk.model import Model

Backward = Callable[[Model, rivals.Parts], object]
"""Fills in the gradients of a model."""

ROUNDING = 1e-4  # how far a right gradient may be from another, relative to its norm


def of_sum(load: measuring.Workload, backward: Backward, batches: Mapping[str, list[Batch]]) -> float:
    """How far gradients are from those of plain PyTorch's sum."""
    return _apart(_gradients(load, backward, batches), _gradients(load, _plainly, batches))


def of_pcgrad(
    load: measuring.Workload,
    contestants: Mapping[str, Backward],
    steps: Iterable[Mapping[str, list[Batch]]],
    with_heads: Collection[str] = (),
) -> tuple[float, dict[str, float]]:
    """The cosine of two tasks' gradients, and how far each contestant's are from those of algorithm 1 for the two. Those of
    `with_heads` project the heads' gradients too.

    Two, as the order of the projections is drawn, and for two it changes nothing. Of the first three tasks, those that are in
    conflict most; of `steps` the first where they are, so that there is something to project."""
    for batches in steps:
        alone = {task: _gradients(load, _plainly, {task: batches[task]}) for task in list(batches)[:3]}
        cosine, *pair = min((_cosine(alone[a][0], alone[b][0]), a, b) for a, b in combinations(alone, 2))
        if cosine < -10 * ROUNDING:
            break
    (one, its_head), (other, other_head) = (alone[task] for task in pair)
    expected = _algorithm_1(one, other), its_head + other_head
    whole = _algorithm_1(torch.cat([one, its_head]), torch.cat([other, other_head])).split([len(one), len(its_head)])
    of_pair = {task: batches[task] for task in pair}
    return cosine, {
        name: _apart(_gradients(load, its, of_pair), whole if name in with_heads else expected)
        for name, its in contestants.items()
    }


def _algorithm_1(one: Tensor, other: Tensor) -> Tensor:
    """PCGrad of two gradients."""
    conflict = (one @ other).clamp_max(0)
    return one + other - conflict / (other @ other) * other - conflict / (one @ one) * one


def _plainly(model: Model, batches: rivals.Parts) -> None:
    rivals.PlainSum(model).backward(batches)


def _gradients(load: measuring.Workload, backward: Backward, batches: rivals.Parts) -> tuple[Tensor, Tensor]:
    """The gradients of the encoder and of the heads, each as one vector."""
    model = load.model().eval()
    model.autocast = None
    backward(model, batches)
    return _vector(model.encoder), _vector(model.heads)


def _vector(module: nn.Module) -> Tensor:
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in module.parameters()]
    return torch.cat([gradient.flatten() for gradient in gradients]).detach()


def _apart(given: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The larger of two relative differences: of the encoder's gradients, and of the heads'."""
    return max(float((one - other).norm() / other.norm()) for one, other in zip(given, expected, strict=True))


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=0))
