"""What every combiner promises, and what some declare. Each function is a promise, as `mtk.testing.check.Promise` says.

A step is carried out as the engine does it: turn by turn, a LossCombiner with gradients, the other two kinds without; each
gets its statistic and an `mtk.Step`, and after the optimizer's step `after_step` is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from mtk.calling.arguments import named
from mtk.calling.failures import failures, unheard
from mtk.combiner import Combiner, GradientCombiner, GramianCombiner, LossCombiner, Step
from mtk.errors import LostProcessError, UsageError, nearest
from mtk.host.options import options
from mtk.testing.check import Check, Promise, Subject
from mtk.testing.processes import elsewhere, reachable
from mtk.testing.randomness import global_generators

# As many as are tried together. Some names are no names of parameters: tasks are called as their users like.
TASKS = ("type", "b.1", "a", "d e", *(f"task-{number}" for number in range(5, 17)))
COUNTS = (1, 2, 3, 4, 8, 16)
SIZE = 3  # shared parameters: fewer than tasks, so that gradients are linearly dependent too
LAYERS = ((3,), (1, 2), (1, 1, 1))  # how many of them each layer has
LONG = 30  # steps, after which what drifts or fills up shows
DRAWS = 50  # of a random method, for its mean


@dataclass(frozen=True)
class Brought:
    """What the tasks bring to a step."""

    losses: tuple[float, ...]  # [T]
    gradients: tuple[tuple[float, ...], ...]  # [T, P]


@dataclass(frozen=True)
class Steps:
    """One step after another, all of them for the same tasks. With `layers`, which say how many parameters each has, the
    combiner decides by layer."""

    tasks: tuple[str, ...]
    steps: tuple[Brought, ...]
    layers: tuple[int, ...] | None = None

    def __str__(self) -> str:
        shown = [f"losses {list(s.losses)} and gradients {list(map(list, s.gradients))}" for s in self.steps[:3]]
        more = [f"{len(self.steps) - 3} more like these"] if len(self.steps) > 3 else []
        layers = "" if self.layers is None else f" in {len(self.layers)} layers"
        return ", then ".join(shown + more) + layers


class Given(NamedTuple):
    """What a combiner is given in one turn."""

    losses: Tensor  # [T]
    gradients: Tensor  # [T, P]
    gramian: Tensor  # [T, T], or [L, T, T]
    cross: Tensor  # the same, of two halves
    step: Step


@dataclass(frozen=True)
class Examples:
    """What a combiner is tried with: the numbers of tasks that it takes, and its scopes."""

    counts: tuple[int, ...]
    layers: tuple[tuple[int, ...] | None, ...]

    @staticmethod
    def of(subject: Subject) -> Examples:
        return Examples(tuple(_counts(subject)), _scopes(subject))

    def up_to(self, most: int) -> Examples:
        """With no more tasks, if there are such."""
        return replace(self, counts=tuple(count for count in self.counts if count <= most) or self.counts[:1])

    def steps(self, *, most: int = 1, extreme: bool = False, powers: tuple[int, int] = (0, 0)) -> st.SearchStrategy[Steps]:
        """Up to `most` steps. Gradients hold small integers, so that conflicts and multiples of one another are common and
        products exact; each is 10^p long, p between the two `powers`. An `extreme` step has zeros, and scales far apart."""
        row = st.tuples(*[st.integers(-3, 3).map(float)] * SIZE)
        loss = st.sampled_from([1.0, 0.5, 2.0, 3.0])
        if extreme:
            powers, loss = (-10, 10), st.sampled_from([1.0, 0.0, 1e-8, 1e-3, 1e3, 1e8])
        else:
            row = row.filter(any)
        if any(powers):
            row = st.builds(lambda row, power: tuple(n * 10.0**power for n in row), row, st.integers(*powers))
        return self._steps(row, loss, 1, most)

    def most(self) -> st.SearchStrategy[Steps]:
        """Two steps of as many tasks as there can be, made of a seed."""

        def made(seed: int) -> Steps:
            rng, count = Random(seed), self.counts[-1]
            rows = [[tuple(float(rng.randint(1, 3)) for _ in range(SIZE)) for _ in range(count)] for _ in range(2)]
            steps = tuple(Brought((1.0, 0.5) * (count // 2) + (2.0,) * (count % 2), tuple(of_step)) for of_step in rows)
            return Steps(TASKS[:count], steps, self.layers[seed % len(self.layers)])

        return st.integers(0, 4).map(made)

    def long(self) -> st.SearchStrategy[Steps]:
        """Many steps: three that come again and again."""
        row = st.tuples(*[st.integers(-3, 3).map(float)] * SIZE).filter(any)
        some = self._steps(row, st.sampled_from([1.0, 0.5, 2.0]), 3, 3)
        return some.map(lambda few: replace(few, steps=few.steps * (LONG // 3)))

    def _steps(
        self, row: st.SearchStrategy[tuple[float, ...]], loss: st.SearchStrategy[float], least: int, most: int
    ) -> st.SearchStrategy[Steps]:
        @st.composite
        def drawn(draw: st.DrawFn) -> Steps:
            count = draw(st.sampled_from(self.counts))
            step = st.builds(Brought, st.tuples(*[loss] * count), st.tuples(*[row] * count))
            steps = draw(st.lists(step, min_size=least, max_size=most))
            return Steps(TASKS[:count], tuple(steps), draw(st.sampled_from(self.layers)))

        return drawn()


# What all promise ------------------------------------------------------------------------------------------------------


def shape(subject: Subject, example: Steps) -> str | None:
    """`scalarize` gives a scalar, `weights` one for each task, in each layer if it decides by layer, `combine` a gradient,
    in the precision they are given."""
    combiner = built(subject, example)
    return next((seen for given in by_turn(combiner, example) if (seen := _misshapen(combiner, given))), None)


def long_run(subject: Subject, example: Steps) -> str | None:
    """It goes on: thirty steps, each with the `after_step` that follows the optimizer's, fail nowhere, and what they give
    is finite and of one shape."""
    combiner = built(subject, example)
    encoders = taken(combiner, example, strict=True)
    for number, gradient in enumerate(encoders):
        if gradient.shape != encoders[0].shape or not gradient.isfinite().all():
            return f"the encoder's gradient {gradient.tolist()} in turn {number + 1}"
    return _unfit_state(combiner)


def finite(subject: Subject, example: Steps) -> str | None:
    """What comes out is finite whatever finite comes in: zeros, equal and opposite gradients, scales far apart."""
    combiner = built(subject, example)
    for gradient in taken(combiner, example):
        if not gradient.isfinite().all():
            return f"the encoder's gradient {gradient.tolist()}"
    return _unfit_state(combiner)


def inputs_kept(subject: Subject, example: Steps) -> str | None:
    """The tasks' names, losses, Gramian, gradients and the step's numbers stay as they are given; names can come in a tuple
    as well as in a list."""
    names = list(example.tasks)
    for tasks in (names, tuple(names)):
        combiner = built(subject, example, tasks)
        for given in by_turn(combiner, example):
            tensors = (
                given.losses,
                given.gradients,
                given.gramian,
                given.cross,
                given.step.losses,
                given.step.examples,
                given.step.number,
            )
            before = [tensor.clone() for tensor in tensors]
            decided(combiner, given)
            for old, new in zip(before, tensors, strict=True):
                if not torch.equal(old, new):
                    return f"{old.tolist()} became {new.tolist()}"
            later = given.losses.detach() * 0.9
            with unheard():
                _after_step(combiner, later)
            if not torch.equal(later, given.losses.detach() * 0.9):
                return f"losses after the step became {later.tolist()}"
    return None if names == list(example.tasks) else f"the tasks {list(example.tasks)} became {names}"


def on_the_device(subject: Subject, example: Steps) -> str | None:
    """A step never waits for the device: no tensor's value is read on the host, and all tensors are where the others are.
    A class that cannot help it says `uses_host = True`."""
    try:
        taken(built(subject, example), example, strict=True)
    except failures():
        return None  # which is not the device's fault
    combiner = built(subject, example).to("meta")  # where tensors have shapes and no values
    try:
        taken(combiner, example, device="meta", strict=True)
    except failures() as error:
        return subject.failed(error)
    return None


def no_graph(subject: Subject, example: Steps) -> str | None:
    """No graph outlives its step: what a combiner keeps of losses is detached, or it would hold all steps in memory."""
    combiner = built(subject, example)
    taken(combiner, example)
    for path, module in combiner.named_modules():
        for name, value in vars(module).items():
            held = [t for t in _tensors(value) if t.grad_fn is not None]
            if held:
                return f"'{f'{path}.' if path else ''}{name}' holds a graph, {held[0].grad_fn}"
    return None


def modes(subject: Subject, example: Steps) -> str | None:
    """Train and eval mode make no difference: nobody tells a combiner of them, for it only ever works in training."""
    combiner, other = built(subject, example), built(subject, example).eval()
    return _differing(taken(combiner, example), taken(other, example), "in eval mode")


def saving(subject: Subject, example: Steps) -> str | None:
    """What safetensors saves of a combiner, after few steps and after many, and a fresh one loads, is all there is to know:
    the next three steps are the same."""
    combiner, fresh = built(subject, example), built(subject, example, seed=1)
    try:
        taken(combiner, example)
    except failures():
        if len(example.steps) == LONG:
            return None  # of which `long_run` speaks
        raise
    fresh.load_state_dict(load(save(combiner.state_dict())))
    further, done = replace(example, steps=example.steps[:1] * 3), len(example.steps)
    kept, loaded = (taken(each, further, number=done) for each in (combiner, fresh))
    return _differing(kept, loaded, "after loading")


def turns(subject: Subject, example: Steps) -> str | None:
    """`turns` names every task at least once and nothing else, no turn is empty or names a task twice, and it says the same
    whenever it is asked."""
    combiner = built(subject, example)
    given = combiner.turns()
    named = {task for turn in given for task in turn}
    once = all(turn and len(set(turn)) == len(turn) for turn in given)
    if named != set(example.tasks) or not once:
        return f"turns {given} of the tasks {list(example.tasks)}"
    again = [combiner.turns()]
    with unheard():  # other promises speak of them
        taken(combiner, example)
    again.append(combiner.turns())
    return None if again == [given, given] else f"turns {given}, and asked again {again[0]} and {again[1]}"


def same_seed(subject: Subject, example: Steps) -> str | None:
    """The seed of torch's generator decides what is random: global generators of Python and NumPy neither matter nor move,
    and no other instance does."""
    results = []
    for seed in (0, 1):
        with global_generators(seed) as moved:
            results.append(taken(built(subject, example), example, chance=None))
            if seen := moved():
                return seen
    return _differing(results[0], results[1], "the second time")


def any_process(subject: Subject, example: Steps) -> str | None:
    """The same seed gives the same in another process, where strings hash otherwise and sets have another order."""
    there, why = elsewhere(outcome, subject, example)
    here = outcome(subject, example)
    if why:
        return f"in another process {why}"
    (turns, gradients), (other_turns, others) = here, there
    if turns != other_turns:
        return f"turns {turns}, and in another process {other_turns}"
    return _differing([*map(torch.tensor, gradients)], [*map(torch.tensor, others)], "in another process")


def two_processes(subject: Subject, example: Steps) -> str | None:
    """Two processes that each have a part of a step's examples come to what one comes to: both are given the sum of losses
    and gradients, and decide alike."""
    from mtk.engine.processes import meeting_point

    store = meeting_point()
    here: list[list[float]] = []

    def meanwhile() -> None:
        with suppress(LostProcessError):  # it says why
            here.extend(taken_by_two(subject, (0, store.port, example)))

    there, why = elsewhere(taken_by_two, subject, (1, store.port, example), meanwhile)
    if why:
        return f"in the second process {why}"
    first, second = [*map(torch.tensor, here)], [*map(torch.tensor, there)]
    alone = taken(built(subject, example), example)
    return _differing(alone, first, "in two processes") or _differing(first, second, "in the second process")


def additive(subject: Subject, example: Steps) -> str | None:
    """An `additive` combiner gives the plain sum, for the engine adds up the losses without asking it."""
    combiner = built(subject, example)
    for given in by_turn(combiner, example):
        decision = decided(combiner, given)
        if not _near(given.losses.sum(), decision):
            return f"{decision.item()} from losses {given.losses.tolist()}"
    return None


def layers_apart(subject: Subject, example: Steps) -> str | None:
    """With `scope = "layer"` each layer is decided for by itself: as if there were no other, and as for an encoder of that
    layer alone."""
    assert example.layers is not None
    whole = drawn(subject, example)
    for number, size in enumerate(example.layers):
        begin = sum(example.layers[:number])
        of_layer = slice(begin, begin + size)
        alone = _restricted(example, of_layer)
        for scope in [(size,), *([None] if "scope" in options(subject.component) else [])]:
            other = drawn(subject, replace(alone, layers=scope), seed=DRAWS)
            if seen := _differing_in_mean(whole[:, of_layer], other):
                where = "alone" if scope else "as an encoder's"
                return f"{seen} of layer {number + 1}, {where}"
    return None


# What some declare -----------------------------------------------------------------------------------------------------


def non_conflicting(subject: Subject, example: Steps) -> str | None:
    """No task's gradient has a negative inner product with the encoder's."""
    combiner = built(subject, example)
    turns = [given.gradients for given in by_turn(combiner, example)]
    for gradients, encoders in zip(turns, taken(combiner, example), strict=True):
        inner = gradients @ encoders
        if (inner < -1e-3 * gradients.norm(dim=1) * encoders.norm()).any():
            return f"inner products {inner.tolist()} with the encoder's gradient {encoders.tolist()}"
    return None


def non_conflicting_for_two(subject: Subject, example: Steps) -> str | None:
    """Of two tasks, neither's gradient has a negative inner product with the encoder's."""
    return non_conflicting(subject, example)


def permutation_equivariant(subject: Subject, example: Steps) -> str | None:
    """Reordering the tasks leaves the encoder's gradient as it is, or its mean, where the method is random."""
    before, (step,) = drawn(subject, example), example.steps
    for order in ([*range(len(example.tasks))][::-1], [*range(1, len(example.tasks)), 0]):
        moved = Brought(tuple(step.losses[i] for i in order), tuple(step.gradients[i] for i in order))
        other = replace(example, tasks=tuple(example.tasks[i] for i in order), steps=(moved,))
        if seen := _differing_in_mean(before, drawn(subject, other)):
            return f"{seen} in the order {order}"
    return None


def scale_equivariant(subject: Subject, example: Steps) -> str | None:
    """Losses and gradients c times as large, c > 0, make the encoder's gradient c times as large: a millionth, or a million
    times."""
    (step,) = example.steps
    before = taken(built(subject, example), example)
    for scale in (4.0, 2.0**-20, 2.0**20):
        rows = tuple(tuple(scale * n for n in row) for row in step.gradients)
        scaled = replace(example, steps=(Brought(tuple(scale * loss for loss in step.losses), rows),))
        for given, larger in zip(before, taken(built(subject, scaled), scaled), strict=True):
            if not _near(given, larger / scale):
                return f"the encoder's gradient {given.tolist()} became {larger.tolist()} for c = {scale:g}"
    return None


def single_task_identity(subject: Subject, example: Steps) -> str | None:
    """With one task, the encoder's gradient is that task's."""
    combiner = built(subject, example)
    turns = [given.gradients[0] for given in by_turn(combiner, example)]
    for own, encoders in zip(turns, taken(combiner, example), strict=True):
        length = own.norm()
        if not _near(own / length, encoders / length):
            return f"the encoder's gradient {encoders.tolist()}"
    return None


DECLARED: tuple[Promise, ...] = (
    non_conflicting,
    non_conflicting_for_two,
    permutation_equivariant,
    scale_equivariant,
    single_task_identity,
)


def checks(subject: Subject) -> list[Check]:
    """Raises UsageError for a declared property that is none. One that asks a solver on the host is tried less."""
    combiner, every = subject.component, Examples.of(subject)
    slow = combiner.uses_host
    few, many, once = every.up_to(4), every.up_to(8 if slow else 16), 3 if slow else 10
    tame, several = few.steps(), few.steps(most=3)
    found = [
        Check(subject, shape, many.steps()),
        Check(subject, long_run, (few if slow else many).long(), tries=once),
        Check(subject, finite, many.steps(most=3, extreme=True)),
        Check(subject, inputs_kept, tame, tries=10),
        Check(subject, no_graph, several, tries=10),
        Check(subject, modes, several, tries=10),
        Check(subject, saving, several, tries=10),
        Check(subject, turns, many.steps(), tries=10),
        Check(subject, same_seed, several, tries=10),
    ]
    if not slow:
        found[6] = Check(subject, saving, st.one_of(several, few.long()), tries=12)
        found.append(Check(subject, on_the_device, several, tries=10))
    if reachable(subject):
        found.append(Check(subject, any_process, many.most(), tries=5))
        found.append(Check(subject, two_processes, tame, tries=2))
    if issubclass(combiner, LossCombiner) and combiner.additive:
        found.append(Check(subject, additive, many.steps()))
    if by_layer := tuple(layers for layers in every.layers if layers):
        found.append(Check(subject, layers_apart, replace(few, layers=by_layer).steps(), tries=10))
    examples: dict[Promise, st.SearchStrategy[Steps]] = {
        non_conflicting: many.steps(powers=(-3, 3)),
        non_conflicting_for_two: replace(every, counts=(2,)).steps(powers=(-3, 3)),
        permutation_equivariant: (many if not _random(subject, few) else every.up_to(4)).steps(powers=(-1, 1)),
        scale_equivariant: many.steps(),
        single_task_identity: replace(every, counts=(1,)).steps(powers=(-6, 6)),
    }
    declared = [Check(subject, promise, examples[promise], tries=10) for promise in DECLARED]
    known = {check.name for check in declared}
    for name in sorted(combiner.declares - known):
        raise UsageError(f"{subject} declares '{name}', which no check knows. {nearest(name, known)}")
    return found + [check for check in declared if check.name in combiner.declares]


# How a step is carried out ---------------------------------------------------------------------------------------------


def built(subject: Subject, example: Steps, tasks: Sequence[str] | None = None, seed: int = 0) -> Combiner:
    """A fresh one, as a run builds it; its scope is the example's, where it is an option."""
    if "scope" in options(subject.component):
        scope = "encoder" if example.layers is None else "layer"
        subject = replace(subject, options={**subject.options, "scope": scope})
    with _seeded(seed):
        combiner: Combiner = subject.build(tasks=list(example.tasks) if tasks is None else tasks)
    return combiner


def by_turn(combiner: Combiner, example: Steps, device: str = "cpu", number: int = 0) -> Iterator[Given]:
    """What is given in each turn of each step, `number` the first. What is no task is left to `turns`."""
    for step in example.steps:
        for turn in combiner.turns():
            if rows := [example.tasks.index(task) for task in turn if task in example.tasks]:
                losses = torch.tensor([step.losses[row] for row in rows], device=device)
                gradients = torch.tensor([step.gradients[row] for row in rows], device=device)
                layers = gradients.split(list(example.layers or gradients.shape[1:]), dim=1)
                gramians = torch.stack([layer @ layer.T for layer in layers])
                crosses = torch.stack([_of_halves(layer) for layer in layers])
                about = Step(
                    tasks=tuple(example.tasks[row] for row in rows),
                    losses=losses.clone(),
                    examples=torch.tensor([8 + row for row in rows], device=device),
                    number=torch.tensor(number, device=device),
                )
                if not example.layers:
                    gramians, crosses = gramians[0], crosses[0]
                yield Given(losses, gradients, gramians, crosses, about)
                number += 1


def decided(combiner: Combiner, given: Given) -> Tensor:
    """What the combiner itself says: a scalar, weights or a gradient."""
    if isinstance(combiner, LossCombiner):
        return _called(combiner, "scalarize", losses=given.losses, step=given.step)
    with torch.no_grad():
        if isinstance(combiner, GramianCombiner):
            return _called(combiner, "weights", gramian=given.gramian, step=given.step, cross=given.cross)
        return _called(combiner, "combine", gradients=given.gradients, step=given.step)


def taken(
    combiner: Combiner,
    example: Steps,
    *,
    device: str = "cpu",
    seed: int = 0,
    chance: int | None = 0,
    number: int = 0,
    strict: bool = False,
) -> list[Tensor]:
    """The encoder's gradient [P] in each turn of each step. After it, the combiner's own parameters learn, and `after_step`
    is called; where that fails, one promise speaks of it, which is `strict`. What is random comes from `seed`; the global
    generators, where `chance` says, so that a combiner which draws from them is caught by one promise too."""
    learn, encoders = _learning(combiner), []
    with _seeded(seed), nullcontext() if chance is None else global_generators(chance):
        for given in by_turn(combiner, example, device, number):
            given.losses.requires_grad_(isinstance(combiner, LossCombiner))
            encoders.append(_combined(combiner, given, decided(combiner, given), example.layers))
            learn()
            with nullcontext() if strict else unheard():
                _after_step(combiner, given.losses.detach() * 0.9)
    return encoders


def taken_by_two(subject: Subject, shared: tuple[int, int, Steps]) -> list[list[float]]:
    """The same as process `rank` of two, which meet at a `port`, has it: with a part of the losses and of the gradients."""
    from mtk.engine.processes import meeting
    from mtk.engine.task_gradients import TaskGradients

    rank, port, example = shared
    share = (0.25, 0.75)[rank]  # of which small integers and their sums are exact
    combiner, encoders = built(subject, example), []
    learn = _learning(combiner)
    with meeting(port, rank, 2) as processes, _seeded(0), global_generators(0):
        for given in by_turn(combiner, example):
            losses, count = given.losses * share, len(given.losses)
            processes.sum([losses])
            layers = [nn.Parameter(torch.zeros(size)) for size in example.layers or given.gradients.shape[1:]]
            rows = TaskGradients({str(n): [layer] for n, layer in enumerate(layers)}, count, processes=processes)
            for row, gradient in enumerate(given.gradients * share):
                for layer, part in zip(layers, gradient.split([len(layer) for layer in layers]), strict=True):
                    rows.add(layer, row, part)
            rows.add_up(count, processes.gathered(rows.told()))
            gramian = rows.gramians(count) if example.layers else rows.gramian(count)
            step = replace(given.step, losses=losses.clone())
            summed = Given(losses, rows.gradients(count), gramian, given.cross, step)
            losses.requires_grad_(isinstance(combiner, LossCombiner))
            encoders.append(_combined(combiner, summed, decided(combiner, summed), example.layers).tolist())
            learn()
            with unheard():
                _after_step(combiner, losses.detach() * 0.9)
    return encoders


def _learning(combiner: Combiner) -> Callable[[], None]:
    """What lets the combiner's own parameters learn from the gradients that they have by then."""
    learned = [parameter for parameter in combiner.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=0.01, foreach=False) if learned else None

    def learn() -> None:
        if optimizer:
            optimizer.step()
            combiner.zero_grad()

    return learn


def drawn(subject: Subject, example: Steps, seed: int = 0) -> Tensor:
    """The encoder's gradient, the sum of all turns, from a fresh combiner: [1, P], or [DRAWS, P] where it is random."""
    combiner = built(subject, example)
    with _seeded(seed):
        before = torch.default_generator.get_state()
        for given in by_turn(combiner, example):
            decided(combiner, given)
        random = not torch.equal(before, torch.default_generator.get_state())
    steps = [taken(built(subject, example), example, seed=seed + draw) for draw in range(DRAWS if random else 1)]
    return torch.stack([torch.stack(turns).sum(dim=0) for turns in steps])


def outcome(subject: Subject, example: Steps) -> tuple[list[list[str]], list[list[float]]]:
    """The turns and the encoder's gradients, with the global generators where they always are."""
    with global_generators(0):
        combiner = built(subject, example)
        turns = [list(turn) for turn in combiner.turns()]
        return turns, [gradient.tolist() for gradient in taken(combiner, example)]


def _called(combiner: Combiner, method: str, /, **offered: Any) -> Tensor:
    function = getattr(type(combiner), method)
    answer: Tensor = getattr(combiner, method)(**named(function, offered))
    return answer


def _after_step(combiner: Combiner, losses: Tensor) -> None:
    """What follows a step; an evaluation too."""
    _called(combiner, "after_step", losses=lambda: losses)
    _called(combiner, "after_evaluation", scores={task: 0.5 + 0.01 * n for n, task in enumerate(sorted(combiner.tasks))})


def _of_halves(gradients: Tensor) -> Tensor:
    """gradients [T, P] -> the products [T, T] of those of two halves, whose mean they are."""
    apart = 0.25 * gradients.roll(1, dims=1)
    return (gradients + apart) @ (gradients - apart).T


def _combined(combiner: Combiner, given: Given, decision: Tensor, layers: tuple[int, ...] | None) -> Tensor:
    """The encoder's gradient [P] that a decision comes to."""
    gradients = given.gradients
    if isinstance(combiner, GradientCombiner):
        return decision
    if isinstance(combiner, LossCombiner):
        decision.backward()
        assert given.losses.grad is not None
        return given.losses.grad @ gradients
    weights = decision.to(gradients.dtype)
    if layers is None:
        return weights @ gradients
    of_layers = zip(weights, gradients.split(list(layers), dim=1), strict=True)
    return torch.cat([own @ rows for own, rows in of_layers])


def _restricted(example: Steps, parameters: slice) -> Steps:
    """The same steps of an encoder that has these parameters alone."""
    rows = [tuple(row[parameters] for row in step.gradients) for step in example.steps]
    return replace(
        example, steps=tuple(replace(step, gradients=of_step) for step, of_step in zip(example.steps, rows, strict=True))
    )


# How answers are compared ------------------------------------------------------------------------------------------------


def _misshapen(combiner: Combiner, given: Given) -> str | None:
    due: Mapping[type[Combiner], Sequence[int]] = {
        LossCombiner: [],
        GramianCombiner: given.gramian.shape[:-1],
        GradientCombiner: [SIZE],
    }
    decision = decided(combiner, given)
    if not isinstance(decision, Tensor):
        return f"a {type(decision).__name__}"
    for kind, expected in due.items():
        if isinstance(combiner, kind) and (list(decision.shape), decision.dtype) != (list(expected), torch.float32):
            return f"{decision.dtype} of shape {list(decision.shape)} instead of torch.float32 of shape {list(expected)}"
    return None


def _unfit_state(combiner: Combiner) -> str | None:
    unfit = [name for name, value in combiner.state_dict().items() if not value.isfinite().all()]
    return f"values that are not finite in {', '.join(unfit)}" if unfit else None


def _differing(before: Sequence[Tensor], after: Sequence[Tensor], when: str) -> str | None:
    for one, other in zip(before, after, strict=True):
        if not _near(one, other):
            return f"the encoder's gradient {one.tolist()}, and {when} {other.tolist()}"
    return None


def _differing_in_mean(given: Tensor, other: Tensor) -> str | None:
    """What is seen where two samples [draws, P] differ in their means. Six standard errors: chance is never mistaken for a
    broken promise. Without chance they are none."""
    errors = (given.var(dim=0, correction=0) / len(given) + other.var(dim=0, correction=0) / len(other)).sqrt()
    before, after = given.mean(dim=0), other.mean(dim=0)
    if ((before - after).abs() > 6 * errors + 1e-3 * (1 + before.abs().max())).any():
        return f"the encoder's gradient {before.tolist()} became {after.tolist()}"
    return None


def _near(one: Tensor, other: Tensor) -> bool:
    """Equal as far as fp32 can tell; two that are not finite count as the same, for `finite` speaks of them."""
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def _tensors(value: Any) -> Iterator[Tensor]:
    """Those that an attribute holds, in containers too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple | set | deque):
        for each in value:
            yield from _tensors(each)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _random(subject: Subject, examples: Examples) -> bool:
    """Whether it draws from torch's generator, which makes it slow to compare."""
    count = examples.counts[-1]
    some = Steps(TASKS[:count], (Brought((1.0,) * count, ((1.0, 0.0, 0.0),) * count),), examples.layers[0])
    try:
        return len(drawn(subject, some)) > 1
    except failures():
        return False  # others speak of that


def _scopes(subject: Subject) -> tuple[tuple[int, ...] | None, ...]:
    """The layers that it is tried with; None where it decides for the encoder as a whole."""
    if not issubclass(subject.component, GramianCombiner):
        return (None,)
    asked = subject.options.get("scope")
    if asked is None and "scope" in options(subject.component):
        return (None, *LAYERS)
    return LAYERS if (asked or subject.component.scope) == "layer" else (None,)


def _counts(subject: Subject) -> list[int]:
    """The numbers of tasks that the constructor takes; all, where it takes none, so that a check shows why."""
    accepted = []
    for count in COUNTS:
        try:
            with _seeded(0):
                subject.build(tasks=list(TASKS[:count]))
        except UsageError:
            continue
        except failures():
            pass  # no matter of their number
        accepted.append(count)
    return accepted or [*COUNTS]
