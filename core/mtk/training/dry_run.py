"""A small step before a run leaves anything behind, so that a plugin that breaks its promise does it here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from mtk.calling.failures import broken, call, calling
from mtk.combiner import Combiner
from mtk.data.shards import Tokens
from mtk.engine.gradients import Engine
from mtk.engine.processes import ALONE, Processes
from mtk.errors import UsageError
from mtk.model.multitask import Model, values, written

EXAMPLES = 2  # the smallest batch there is, unless a task has one example: a head that normalises over it needs two


def dry_run(
    model: Model,
    combiner: Combiner,
    train: Mapping[str, Tokens],
    *,
    packed: bool,
    padding_free: bool = False,
    further: Sequence[Sequence[str]] = (),
    processes: Processes = ALONE,
) -> None:
    """Let every head and the combiner do what a run asks of them, on two examples of each task: a step in train mode,
    what comes after it, and a prediction in eval mode, as the kind writes it; a step of `further` tasks too, where a
    sampler leaves some of a turn out. The model stays as it was, and so does everything random; the combiner does not, so
    give it one that is used for nothing else. Several `processes` all take these examples.

    Raises UsageError, naming the part, if one fails, or gives a wrong shape or what is not finite.
    """
    turns = check_turns(combiner, train.keys())
    engine = Engine(model, combiner, packed=packed, padding_free=padding_free, processes=processes)
    with left_as_it_was(model):
        model.train()
        for turn in turns:
            _step(engine, train, turn)
        for tasks in further:
            try:
                _step(engine, train, tasks)
            except UsageError as error:
                raise UsageError(
                    f"The sampler leaves tasks out of a step, which then has {' and '.join(tasks)} alone, and the combiner "
                    f"cannot do with that. Let a step be larger, or take another sampler or combiner. {error}"
                ) from error
        model.eval()
        with torch.no_grad():
            for task, tokens in train.items():
                _predict(model, task, tokens)


def _predict(model: Model, task: str, tokens: Tokens) -> None:
    """A prediction, and how it is written. Metrics are left to the first evaluation: a run begins without their
    libraries."""
    kind, examples = model.tasks[task].kind, range(min(EXAMPLES, len(tokens)))
    batch = tokens.batch(examples)
    predicted = model.predicted(task, tokens, examples, batch, model(task, batch))
    if predicted.isfinite().any():
        written(kind, values(kind, predicted))


@contextmanager
def left_as_it_was(model: Model) -> Iterator[None]:
    """What is tried in here changes no buffer of the model and no random generator."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
        yield
    for buffer, before in buffers:
        buffer.copy_(before)


def check_turns(combiner: Combiner, tasks: Collection[str]) -> list[tuple[str, ...]]:
    """The turns of a combiner. Raises UsageError, naming it, unless each has some of the tasks, and none of them twice."""
    with calling(combiner, "turns"):
        turns = combiner.turns()
        if not (turns and all(turn and set(turn) <= set(tasks) and len(set(turn)) == len(turn) for turn in turns)):
            raise broken(combiner, "turns", f"its turns are {turns}, and the tasks {', '.join(tasks)}")
    return turns


def _step(engine: Engine, train: Mapping[str, Tokens], tasks: Sequence[str]) -> None:
    batches = {task: [train[task].batch(range(min(EXAMPLES, len(train[task]))))] for task in tasks}
    several = engine.processes.count > 1  # which all have the same examples
    sizes = {task: engine.processes.count * len(part) for task, (part,) in batches.items()} if several else None
    outcome = engine.backward(batches, sizes)
    engine.check([outcome])
    engine.release()
    call(engine.combiner, "after_step", losses=lambda: engine.losses(batches, sizes))
