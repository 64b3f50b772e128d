"""What a run asks of an optimizer, which knows nothing of mtk. Each function is a promise, as `mtk.testing.check.Promise`
says.

An optimizer is built as a run does it: of groups with rates and decays of their own, with those of the run's arguments that
its constructor names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer

from mtk.testing.check import Check, Subject

RATE, STEPS = 0.01, 60


@dataclass(frozen=True)
class Weights:
    """Parameters, made of `seed`, and the scale of their gradients."""

    seed: int
    scale: float = 1.0

    def made(self) -> list[nn.Parameter]:
        """A matrix, a vector, and a matrix that no loss reads."""
        generator = torch.Generator().manual_seed(self.seed)
        return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3), (5,), (2, 2))]

    def __str__(self) -> str:
        return f"parameters of seed {self.seed}" + (f", gradients of {self.scale:g}" if self.scale != 1 else "")


def descends(subject: Subject, given: Weights) -> str | None:
    """It makes a loss less: half the squares of the parameters, at a rate of 0.01, in sixty steps."""
    parameters = given.made()
    optimizer = built(subject, parameters)
    before = loss(parameters).item()
    steps(optimizer, parameters, STEPS)
    after = loss(parameters).item()
    return None if after < before else f"a loss of {before:.4g} became {after:.4g}"


def finite(subject: Subject, given: Weights) -> str | None:
    """Finite gradients, zeros too, leave finite parameters."""
    parameters = given.made()
    optimizer = built(subject, parameters)
    for scale in (given.scale, 0.0, given.scale):
        steps(optimizer, parameters, 3, scale)
    return None if all(bool(p.isfinite().all()) for p in parameters) else "parameters that are no finite numbers"


def without_a_gradient(subject: Subject, given: Weights) -> str | None:
    """A parameter without a gradient, that of a task that has no part in the step, stays as it is."""
    parameters = given.made()
    before = parameters[-1].detach().clone()
    steps(built(subject, parameters), parameters, 3)
    return None if torch.equal(parameters[-1], before) else "it was changed"


def rates(subject: Subject, given: Weights) -> str | None:
    """The rate is that of the group, as the schedule sets it before every step: where it is 0, parameters stay. One step
    may be late."""
    parameters = given.made()
    optimizer = built(subject, parameters)
    steps(optimizer, parameters, 2)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    steps(optimizer, parameters, 1)
    before = [p.detach().clone() for p in parameters]
    steps(optimizer, parameters, 2)
    return None if all(map(torch.equal, parameters, before)) else "with a rate of 0 parameters were changed"


def saving(subject: Subject, given: Weights) -> str | None:
    """What it keeps of each parameter are tensors and numbers, as a checkpoint holds them: a fresh one with these takes the
    same next steps, bit for bit."""
    parameters = given.made()
    optimizer = built(subject, parameters)
    steps(optimizer, parameters, 4)
    others = [nn.Parameter(p.detach().clone()) for p in parameters]
    fresh = built(subject, others)
    for own, other in zip(parameters, others, strict=True):
        for name, value in optimizer.state.get(own, {}).items():
            if not isinstance(value, Tensor | int | float):
                return f"it keeps `{name}`, a {type(value).__name__}"
            fresh.state[other][name] = value.detach().clone() if isinstance(value, Tensor) else value
    steps(optimizer, parameters, 3)
    steps(fresh, others, 3)
    return None if all(map(torch.equal, parameters, others)) else "a fresh one with the saved state went another way"


def checks(subject: Subject) -> list[Check]:
    any_weights = st.builds(Weights, st.integers(0, 99))
    scaled = st.builds(Weights, st.integers(0, 99), st.sampled_from([1e-8, 1.0, 1e4]))
    return [
        Check(subject, descends, any_weights, tries=5),
        Check(subject, finite, scaled),
        Check(subject, without_a_gradient, any_weights, tries=5),
        Check(subject, rates, any_weights, tries=5),
        Check(subject, saving, any_weights, tries=5),
    ]


def built(subject: Subject, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """With the groups of a run: what decays, and what does not."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "lr": RATE, "weight_decay": 0.01},
        {"params": [p for p in parameters if p.ndim <= 1], "lr": RATE, "weight_decay": 0.0},
    ]
    optimizer: Optimizer = subject.build(params=groups, lr=RATE, fused=True)
    return optimizer


def loss(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Of all parameters but the last."""
    return 0.5 * torch.stack([p.square().sum() for p in parameters[:-1]]).sum()


def steps(optimizer: Optimizer, parameters: Sequence[nn.Parameter], count: int, scale: float = 1.0) -> None:
    for _ in range(count):
        (loss(parameters) * scale).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
