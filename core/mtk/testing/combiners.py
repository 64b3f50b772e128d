"""What every combiner promises, and what some declare. Each function is a promise, as `mtk.testing.check.Promise` says.

A step is carried out as the engine does it: turn by turn, a LossCombiner with gradients, the other two kinds without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor

from mtk.calling.failures import FAILURES
from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner
from mtk.errors import UsageError, nearest
from mtk.testing.check import Check, Promise, Subject

TASKS = "abcd"  # as many as are tried together
SIZE = 3  # shared parameters: fewer than tasks, so that gradients are linearly dependent too
DRAWS = 50  # of a random method, for its mean


@dataclass(frozen=True)
class Step:
    """What the tasks bring to a step."""

    losses: tuple[float, ...]  # [T]
    gradients: tuple[tuple[float, ...], ...]  # [T, P]


@dataclass(frozen=True)
class Steps:
    """One step after another, all of them for the same tasks."""

    tasks: tuple[str, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return ", then ".join(f"losses {list(s.losses)} and gradients {list(map(list, s.gradients))}" for s in self.steps)


@st.composite
def steps(draw: st.DrawFn, counts: Sequence[int], *, most: int = 1, extreme: bool = False) -> Steps:
    """Up to `most` steps of as many tasks as one of `counts` says. Gradients hold small integers, so that conflicts and
    multiples of one another are common and products exact. An `extreme` step has zeros, and scales far apart."""
    count = draw(st.sampled_from(counts))
    row = st.tuples(*[st.integers(-3, 3).map(float)] * SIZE)
    loss = st.sampled_from([1.0, 0.5, 2.0, 3.0])
    if extreme:
        row = st.builds(lambda row, power: tuple(n * 10.0**power for n in row), row, st.integers(-10, 10))
        loss = st.sampled_from([1.0, 0.0, 1e-8, 1e-3, 1e3, 1e8])
    else:
        row = row.filter(any)
    step = st.builds(Step, st.tuples(*[loss] * count), st.tuples(*[row] * count))
    return Steps(tuple(TASKS[:count]), tuple(draw(st.lists(step, min_size=1, max_size=most))))


# What all promise ------------------------------------------------------------------------------------------------------


def shape(subject: Subject, example: Steps) -> str | None:
    """`scalarize` gives a scalar, `weights` one for each task, `combine` a gradient, in the precision they are given."""
    combiner = built(subject, example.tasks)
    for losses, gradients in by_turn(combiner, example):
        due: dict[type[Combiner], list[int]] = {LossCombiner: [], GramianCombiner: [len(losses)], GradientCombiner: [SIZE]}
        given = decided(combiner, losses, gradients)
        if not isinstance(given, Tensor):
            return f"a {type(given).__name__}"
        for kind, expected in due.items():
            if isinstance(combiner, kind) and (list(given.shape), given.dtype) != (expected, losses.dtype):
                return f"{given.dtype} of shape {list(given.shape)} instead of {losses.dtype} of shape {expected}"
    return None


def finite(subject: Subject, example: Steps) -> str | None:
    """What comes out is finite whatever finite comes in: zeros, equal and opposite gradients, scales far apart."""
    combiner = built(subject, example.tasks)
    for given in taken(combiner, example):
        if not given.isfinite().all():
            return f"the encoder's gradient {given.tolist()}"
    unfit = [name for name, value in combiner.state_dict().items() if not value.isfinite().all()]
    return f"values that are not finite in {', '.join(unfit)}" if unfit else None


def inputs_kept(subject: Subject, example: Steps) -> str | None:
    """Losses, Gramian and gradients stay as they are given."""
    combiner = built(subject, example.tasks)
    for losses, gradients in by_turn(combiner, example):
        given = (losses, gradients, gradients @ gradients.T)
        before = [tensor.clone() for tensor in given]
        decided(combiner, *given)
        for old, new in zip(before, given, strict=True):
            if not torch.equal(old, new):
                return f"{old.tolist()} became {new.tolist()}"
    return None


def on_the_device(subject: Subject, example: Steps) -> str | None:
    """A step never waits for the device: no tensor's value is read on the host, and all tensors are where the others are.
    A class that cannot help it says `uses_host = True`."""
    combiner = built(subject, example.tasks).to("meta")  # where tensors have shapes and no values
    try:
        taken(combiner, example, device="meta")
    except FAILURES as error:
        return subject.failed(error)
    return None


def saving(subject: Subject, example: Steps) -> str | None:
    """What safetensors saves of a combiner and a fresh one loads is all there is to know: the next step is the same."""
    combiner, fresh = built(subject, example.tasks), built(subject, example.tasks, seed=1)
    taken(combiner, example)
    fresh.load_state_dict(load(save(combiner.state_dict())))
    step = replace(example, steps=example.steps[:1])
    for kept, loaded in zip(taken(combiner, step), taken(fresh, step), strict=True):
        if not _near(kept, loaded):
            return f"the next gradient of the encoder {kept.tolist()}, and after loading {loaded.tolist()}"
    return None


def turns(subject: Subject, example: Steps) -> str | None:
    """`turns` names every task at least once and nothing else, and no turn is empty."""
    given = built(subject, example.tasks).turns()
    named = {task for turn in given for task in turn}
    return None if named == set(example.tasks) and all(given) else f"turns {given} of the tasks {list(example.tasks)}"


def additive(subject: Subject, example: Steps) -> str | None:
    """An `additive` combiner gives the plain sum, for the engine adds up the losses without asking it."""
    combiner = built(subject, example.tasks)
    for losses, gradients in by_turn(combiner, example):
        given = decided(combiner, losses, gradients)
        if not _near(losses.sum(), given):
            return f"{given.item()} from losses {losses.tolist()}"
    return None


# What some declare -----------------------------------------------------------------------------------------------------


def non_conflicting(subject: Subject, example: Steps) -> str | None:
    """No task's gradient has a negative inner product with the encoder's."""
    combiner = built(subject, example.tasks)
    for (_, gradients), given in zip(by_turn(combiner, example), taken(combiner, example), strict=True):
        inner = gradients @ given
        if (inner < -1e-3 * gradients.square().sum(dim=1).max()).any():
            return f"inner products {inner.tolist()} with the encoder's gradient {given.tolist()}"
    return None


def non_conflicting_for_two(subject: Subject, example: Steps) -> str | None:
    """Of two tasks, neither's gradient has a negative inner product with the encoder's."""
    return non_conflicting(subject, example)


def permutation_equivariant(subject: Subject, example: Steps) -> str | None:
    """Reordering the tasks leaves the encoder's gradient as it is, or its mean, where the method is random."""
    given, (step,) = drawn(subject, example), example.steps
    for order in ([*range(len(example.tasks))][::-1], [*range(1, len(example.tasks)), 0]):
        losses, gradients = (tuple(rows[i] for i in order) for rows in (step.losses, step.gradients))
        other = drawn(subject, Steps(tuple(example.tasks[i] for i in order), (Step(losses, gradients),)))  # type: ignore[arg-type]
        # Six standard errors: chance is never mistaken for a broken promise. Without chance they are none.
        errors = (given.var(dim=0, correction=0) / len(given) + other.var(dim=0, correction=0) / len(other)).sqrt()
        before, after = given.mean(dim=0), other.mean(dim=0)
        if ((before - after).abs() > 6 * errors + 1e-3 * (1 + before.abs().max())).any():
            return f"the encoder's gradient {before.tolist()} became {after.tolist()} in the order {order}"
    return None


def scale_equivariant(subject: Subject, example: Steps) -> str | None:
    """Losses and gradients c times as large, c > 0, make the encoder's gradient c times as large."""
    (step,) = example.steps
    before = taken(built(subject, example.tasks), example)
    for scale in (4.0, 0.25):
        rows = tuple(tuple(scale * n for n in row) for row in step.gradients)
        scaled = replace(example, steps=(Step(tuple(scale * loss for loss in step.losses), rows),))
        for given, larger in zip(before, taken(built(subject, example.tasks), scaled), strict=True):
            if not _near(scale * given, larger):
                return f"the encoder's gradient {given.tolist()} became {larger.tolist()} for c = {scale}"
    return None


def single_task_identity(subject: Subject, example: Steps) -> str | None:
    """With one task, the encoder's gradient is that task's."""
    combiner = built(subject, example.tasks)
    for (_, gradients), given in zip(by_turn(combiner, example), taken(combiner, example), strict=True):
        if not _near(gradients[0], given):
            return f"the encoder's gradient {given.tolist()}"
    return None


DECLARED: tuple[Promise, ...] = (
    non_conflicting,
    non_conflicting_for_two,
    permutation_equivariant,
    scale_equivariant,
    single_task_identity,
)


def checks(subject: Subject) -> list[Check]:
    """Raises UsageError for a declared property that is none."""
    combiner, counts = subject.component, _counts(subject)
    tame, several = steps(counts), steps(counts, most=3)
    found = [
        Check(subject, shape, tame),
        Check(subject, finite, steps(counts, most=3, extreme=True)),
        Check(subject, inputs_kept, tame),
        Check(subject, saving, several),
        Check(subject, turns, tame),
    ]
    if not combiner.uses_host:
        found.append(Check(subject, on_the_device, several))
    if issubclass(combiner, LossCombiner) and combiner.additive:
        found.append(Check(subject, additive, tame))
    examples: dict[Promise, st.SearchStrategy[Steps]] = {
        non_conflicting_for_two: steps([2]),
        single_task_identity: steps([1]),
    }
    declared = [Check(subject, promise, examples.get(promise, tame)) for promise in DECLARED]
    known = {check.name for check in declared}
    for name in sorted(combiner.declares - known):
        raise UsageError(f"{subject} declares '{name}', which no check knows. {nearest(name, known)}")
    return found + [check for check in declared if check.name in combiner.declares]


# How a step is carried out ---------------------------------------------------------------------------------------------


def built(subject: Subject, tasks: Sequence[str], seed: int = 0) -> Combiner:
    with _seeded(seed):
        combiner: Combiner = subject.build(tasks)
    return combiner


def by_turn(combiner: Combiner, example: Steps, device: str = "cpu") -> Iterator[tuple[Tensor, Tensor]]:
    """The losses [T] and gradients [T, P] of each turn of each step. What is no task is left to `turns`."""
    for step in example.steps:
        for turn in combiner.turns():
            if rows := [example.tasks.index(task) for task in turn if task in example.tasks]:
                yield (
                    torch.tensor([step.losses[row] for row in rows], device=device),
                    torch.tensor([step.gradients[row] for row in rows], device=device),
                )


def decided(combiner: Combiner, losses: Tensor, gradients: Tensor, gramian: Tensor | None = None) -> Tensor:
    """What the combiner itself says: a scalar, weights or a gradient."""
    if isinstance(combiner, LossCombiner):
        return combiner.scalarize(losses)
    with torch.no_grad():
        if isinstance(combiner, GramianCombiner):
            return combiner.weights(gradients @ gradients.T if gramian is None else gramian)
        assert isinstance(combiner, GradientCombiner)
        return combiner.combine(gradients)


def taken(combiner: Combiner, example: Steps, *, device: str = "cpu", seed: int = 0) -> list[Tensor]:
    """The encoder's gradient [P] in each turn of each step. In between, the combiner's own parameters learn."""
    learned = [parameter for parameter in combiner.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=0.01) if learned else None
    given = []
    with _seeded(seed):
        for losses, gradients in by_turn(combiner, example, device):
            losses.requires_grad_(isinstance(combiner, LossCombiner))
            decision = decided(combiner, losses, gradients)
            if isinstance(combiner, LossCombiner):
                decision.backward()
                assert losses.grad is not None
                decision = losses.grad
            given.append(decision if isinstance(combiner, GradientCombiner) else decision.to(gradients.dtype) @ gradients)
            if optimizer:
                optimizer.step()
                optimizer.zero_grad()
    return given


def drawn(subject: Subject, example: Steps) -> Tensor:
    """The encoder's gradient, the sum of all turns, from a fresh combiner: [1, P], or [DRAWS, P] where it is random."""
    draws = DRAWS if _random(subject, example) else 1
    steps = [taken(built(subject, example.tasks), example, seed=seed) for seed in range(draws)]
    return torch.stack([torch.stack(turns).sum(dim=0) for turns in steps])


def _random(subject: Subject, example: Steps) -> bool:
    """Whether it draws from torch's generator."""
    combiner = built(subject, example.tasks)
    with _seeded(0):
        before = torch.default_generator.get_state()
        for losses, gradients in by_turn(combiner, example):
            decided(combiner, losses, gradients)
        return not torch.equal(before, torch.default_generator.get_state())


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _near(one: Tensor, other: Tensor) -> bool:
    """Equal as far as fp32 can tell; two that are not finite count as the same, for `finite` speaks of them."""
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def _counts(subject: Subject) -> list[int]:
    """The numbers of tasks that the constructor takes; all, where it takes none, so that a check shows why."""
    accepted = []
    for count in range(1, len(TASKS) + 1):
        try:
            built(subject, TASKS[:count])
        except UsageError:
            continue
        except FAILURES:
            pass  # no matter of their number
        accepted.append(count)
    return accepted or [*range(1, len(TASKS) + 1)]
