"""What every listener promises. Each function is a promise, as `mtk.testing.check.Promise` says.

A listener hears of made-up runs, whose records come in the order of a real one, in a directory of its own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from mtk import hookspecs
from mtk.calling.arguments import named
from mtk.events import (
    Evaluation,
    EvaluationProgress,
    EvaluationStart,
    Plan,
    PlannedTask,
    Preparation,
    Progress,
    Result,
    StageProgress,
    Stop,
)
from mtk.testing.check import Check, Subject
from mtk.testing.randomness import global_generators

PER_EPOCH = 4  # steps


@dataclass(frozen=True)
class Told:
    """A run with so many tasks, whose evaluations came to these averages."""

    tasks: int
    averages: tuple[float, ...]
    interrupted: bool = False

    def __str__(self) -> str:
        kind = "an interrupted run" if self.interrupted else "a run"
        return f"{kind} of {self.tasks} tasks with averages of {', '.join(f'{a:g}' for a in self.averages)}"


def runs() -> st.SearchStrategy[Told]:
    averages = st.lists(st.floats(-1, 1).map(lambda value: round(value, 3)), min_size=1, max_size=6).map(tuple)
    return st.builds(Told, st.integers(1, 3), averages, st.booleans())


def hears(subject: Subject, run: Told) -> str | None:
    """It hears of a whole run without failing: of one task or several, interrupted or not."""
    with tempfile.TemporaryDirectory() as directory:
        for _ in answers(subject.build(), run, Path(directory)):
            pass
    return None


def implements(subject: Subject, run: Told) -> str | None:
    """It implements a run hook, and marks all of them with @mtk.hookimpl."""
    listener = subject.build()
    hooks = [name for name in dir(listener) if name.startswith("mtk_") and hasattr(hookspecs, name)]
    unmarked = [name for name in hooks if not hasattr(getattr(listener, name), "mtk_impl")]
    if unmarked:
        return f"{unmarked[0]} is not marked"
    return None if hooks else "no method that has a run hook's name"


def answering(subject: Subject, run: Told) -> str | None:
    """Only `mtk_evaluated` answers, and nothing but an mtk.Stop, with a reason in words."""
    with tempfile.TemporaryDirectory() as directory:
        for hook, answer in answers(subject.build(), run, Path(directory)):
            if answer is None:
                continue
            if hook != "mtk_evaluated" or not isinstance(answer, Stop) or not answer.reason.strip():
                return f"{hook} answered {answer!r}"
    return None


def no_randomness(subject: Subject, run: Told) -> str | None:
    """It draws no random number of the run's: Python's and NumPy's global generators do not move."""
    with tempfile.TemporaryDirectory() as directory, global_generators(0) as moved:
        for _ in answers(subject.build(), run, Path(directory)):
            pass
        return moved()


def resuming(subject: Subject, run: Told) -> str | None:
    """Where it has a `state_dict`, that is plain data; and a fresh one that is given it answers from there as it would have
    itself."""
    listener = subject.build()
    if not hasattr(listener, "state_dict"):
        return None
    for half in range(len(run.averages)):
        one = subject.build()
        with tempfile.TemporaryDirectory() as directory:
            whole = [answer for hook, answer in answers(one, run, Path(directory)) if hook == "mtk_evaluated"]
        with tempfile.TemporaryDirectory() as directory:
            first, second = subject.build(), subject.build()
            begun = Told(run.tasks, run.averages[:half], run.interrupted)
            for _ in answers(first, begun, Path(directory)):
                pass
            state = first.state_dict()
            if (again := json.loads(json.dumps(state))) != state:
                return f"a state of {state!r}, which JSON gives back as {again!r}"
            second.load_state_dict(again)
            rest = Told(run.tasks, run.averages[half:], run.interrupted)
            resumed = [
                answer for hook, answer in answers(second, rest, Path(directory), begun=half) if hook == "mtk_evaluated"
            ]
        if whole[half:] != resumed:
            return f"{whole[half:]}, and resumed after {half} evaluations {resumed}"
    return None


def checks(subject: Subject) -> list[Check]:
    return [
        Check(subject, implements, runs(), tries=1),
        Check(subject, hears, runs(), tries=5),
        Check(subject, answering, runs(), tries=10),
        Check(subject, no_randomness, runs(), tries=3),
        Check(subject, resuming, runs(), tries=8),
    ]


def answers(listener: Any, run: Told, out: Path, *, begun: int = 0) -> Iterator[tuple[str, Any]]:
    """Tell it of the run, and give what it answers to each hook; the first evaluation has the number `begun` + 1."""
    for hook, given in told(run, out, begun):
        if hasattr(listener, hook):
            yield hook, getattr(listener, hook)(**named(getattr(type(listener), hook), given))


def told(run: Told, out: Path, begun: int) -> Iterator[tuple[str, dict[str, msgspec.Struct]]]:
    """Each hook and its record, in the order of a real run."""
    names = [f"task{number}" for number in range(run.tasks)]
    steps = PER_EPOCH * (begun + len(run.averages))
    yield "mtk_run_preparing", {"preparation": Preparation("reading the tasks")}
    yield "mtk_run_started", {"plan": _plan(names, len(run.averages), steps, out)}
    yield "mtk_stage_progressed", {"progress": _of_a_stage()}
    best: Evaluation | None = None
    for number, average in enumerate(run.averages, start=begun + 1):
        yield "mtk_progressed", {"progress": _progress(names, number, steps)}
        examples = dict.fromkeys(names, 8)
        yield "mtk_evaluation_started", {"start": EvaluationStart(step=number * PER_EPOCH, epoch=number, examples=examples)}
        for name in names:
            yield "mtk_evaluation_progressed", {"progress": EvaluationProgress(task=name, done=8, examples=8)}
        is_best = best is None or average > best.average
        evaluation = _evaluation(names, number, average, is_best)
        best = evaluation if is_best else best
        yield "mtk_evaluated", {"evaluation": evaluation}
    result = Result(
        out=out,
        epochs=len(run.averages),
        steps=steps,
        seconds=1.5,
        examples_per_second=100.0,
        best=best,
        interrupted=run.interrupted,
    )
    yield "mtk_run_finished", {"result": result}


def _plan(names: list[str], epochs: int, steps: int, out: Path) -> Plan:
    tasks = [
        PlannedTask(
            name=name,
            kind="binary(2)",
            pair=False,
            head="linear",
            augmenter=None,
            batch_size=8,
            train=32,
            augmented=0,
            dev=8,
            test=0,
            skipped=[],
        )
        for name in names
    ]
    return Plan(
        tasks=tasks,
        encoder="tiny",
        parameters=1000,
        combiner="pcgrad",
        device="cpu",
        precision="fp32",
        recorded=False,
        plain=None,
        epochs=epochs,
        steps=steps,
        notes=[],
        out=out,
    )


def _of_a_stage() -> StageProgress:
    return StageProgress(
        stage="mlm", number=1, step=2, steps=2, epoch=1, loss=5.0, learning_rate=1e-5, texts_per_second=100.0
    )


def _progress(names: list[str], number: int, steps: int) -> Progress:
    pairs = {f"{a}/{b}": 0.1 for i, b in enumerate(names) for a in names[:i]}
    return Progress(
        step=number * PER_EPOCH,
        steps=steps,
        epoch=number,
        losses=dict.fromkeys(names, 0.5),
        own_losses={f"{names[0]}/pull": 0.1},
        cosines=pairs,
        layer_cosines={"layer.0": pairs} if pairs else {},
        learning_rate=1e-5,
        examples_per_second=100.0,
    )


def _evaluation(names: list[str], number: int, average: float, best: bool) -> Evaluation:
    return Evaluation(
        step=number * PER_EPOCH,
        epoch=number,
        metrics={name: {"accuracy": average, "f1": average / 2} for name in names},
        average=average,
        best=best,
        losses=dict.fromkeys(names, 0.6),
        further={f"{names[0]}/hard": {"accuracy": average / 3}},
    )
