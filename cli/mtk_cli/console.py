"""What a run says of itself on a terminal or in a log: what will run, how it goes, what it came to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from mtk import hookimpl
from mtk.events import Evaluation, EvaluationProgress, EvaluationStart, Plan, Progress, Result
from mtk_cli.output import scores, table

LOG_LINES_PER_EPOCH = 10
SKIPPED_SHOWN = 3


class Quiet:
    """Says only what a run came to."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @hookimpl
    def mtk_run_finished(self, result: Result) -> None:
        self._console.print(outcome(result), soft_wrap=True)


class Report:
    """Says everything. On a terminal a bar moves; elsewhere a few plain lines tell the same.

    As a context manager it puts the terminal back in order, however the run ends.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(console) if console.is_terminal else None
        self._next_line = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    @hookimpl
    def mtk_run_started(self, plan: Plan) -> None:
        self._plan = plan
        self._console.print(tasks(plan))
        self._console.print(setup(plan))
        for line in (*skipped(plan), *plan.notes):
            self._console.print(line, soft_wrap=True)
        self._console.print()
        if self._bar:
            self._bar.begin(plan)

    @hookimpl
    def mtk_progressed(self, progress: Progress) -> None:
        if self._bar:
            self._bar.show(progress)
        elif progress.step >= self._next_line:
            self._next_line = progress.step + self._plan.steps // (self._plan.epochs * LOG_LINES_PER_EPOCH)
            self._console.print(f"step {progress.step}/{progress.steps}  {pace(progress)}")

    @hookimpl
    def mtk_evaluation_started(self, start: EvaluationStart) -> None:
        if self._bar:
            self._bar.begin_evaluation(start)

    @hookimpl
    def mtk_evaluation_progressed(self, progress: EvaluationProgress) -> None:
        if self._bar:
            self._bar.show_evaluation(progress)

    @hookimpl
    def mtk_evaluated(self, evaluation: Evaluation) -> None:
        if self._bar:
            self._bar.end_evaluation()
        best = "  best so far" if evaluation.best else ""
        self._print_bold(f"epoch {evaluation.epoch}, step {evaluation.step}: average {evaluation.average:.4f}{best}")
        self._console.print(scores(evaluation.metrics))

    @hookimpl
    def mtk_run_finished(self, result: Result) -> None:
        if self._bar:
            self._bar.stop()
        self._console.print()
        if result.best:
            best = result.best
            self._print_bold(f"Best: epoch {best.epoch}, step {best.step}, average {best.average:.4f}")
            self._console.print(scores(best.metrics))
        self._console.print(outcome(result), soft_wrap=True)

    def _print_bold(self, line: str) -> None:
        self._console.print(Text(line, style="bold"))  # print(style=…) would turn the bar below it bold too


class Bar(ProgressBar):
    """The steps of a run as a bar, and the losses in a line below it."""

    def __init__(self, console: Console) -> None:
        self._losses = Text()
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
        )

    def begin(self, plan: Plan) -> None:
        self._epochs = plan.epochs
        self._steps = self.add_task(f"epoch 1/{plan.epochs}", total=plan.steps)
        self.start()

    def show(self, progress: Progress) -> None:
        self._losses = Text(pace(progress), no_wrap=True, overflow="ellipsis")
        self.update(self._steps, completed=progress.step, description=f"epoch {progress.epoch}/{self._epochs}")

    def begin_evaluation(self, start: EvaluationStart) -> None:
        self._evaluation = self.add_task("evaluation", total=sum(start.examples.values()))
        self._done = dict.fromkeys(start.examples, 0)

    def show_evaluation(self, progress: EvaluationProgress) -> None:
        self._done[progress.task] = progress.done
        self.update(self._evaluation, completed=sum(self._done.values()))

    def end_evaluation(self) -> None:
        self.remove_task(self._evaluation)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield self._losses


def tasks(plan: Plan) -> Table:
    """What is trained on what."""
    rows = table("task", "kind", "head", "batch", "train", "augmented", "dev", "test")
    for column in rows.columns[3:]:
        column.justify = "right"
    for task in plan.tasks:
        kind = f"{task.kind}, pairs" if task.pair else task.kind
        made = f"{task.augmented:,} by {task.augmenter}" if task.augmenter else "none"
        sizes = (f"{task.batch_size:,}", f"{task.train:,}", made, f"{task.dev:,}", f"{task.test:,}")
        rows.add_row(task.name, kind, task.head, *sizes)
    return rows


def setup(plan: Plan) -> Table:
    """What the tasks share."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row("encoder", f"{plan.encoder}, {plan.parameters / 1e6:,.1f} M parameters with the heads")
    if plan.plain is not None:
        grid.add_row("", f"one task after the other: {plan.plain}")
    if plan.frozen:
        grid.add_row("", f"{plan.frozen / 1e6:,.1f} M of them are frozen")
    grid.add_row("combiner", plan.combiner)
    for kind, name, default in (
        ("sampler", plan.sampler, "equal"),
        ("optimizer", plan.optimizer, "adamw"),
        ("schedule", plan.schedule, "linear"),
    ):
        if name != default:
            grid.add_row(kind, name)
    grid.add_row("device", f"{plan.device}, {plan.precision}" + (", CUDA graphs" if plan.recorded else ""))
    grid.add_row("training", f"{_count(plan.epochs, 'epoch')}, {_count(plan.steps, 'step')}")
    grid.add_row("out", Text(str(plan.out), overflow="fold"))
    return grid


def skipped(plan: Plan) -> Iterable[str]:
    """The rows left out: how many, and the first of them."""
    for task in plan.tasks:
        if task.skipped:
            yield f"{task.name}: {_count(len(task.skipped), 'bad row')} left out"
            yield from (f"  {row}" for row in task.skipped[:SKIPPED_SHOWN])
            if len(task.skipped) > SKIPPED_SHOWN:
                yield f"  and {len(task.skipped) - SKIPPED_SHOWN:,} more"


def pace(progress: Progress) -> str:
    """The loss of each task, after it the losses of its head's own that are part of it, and the speed."""
    parts = []
    for task, total in progress.losses.items():
        own = [(name, loss) for name, loss in progress.own_losses.items() if name.startswith(f"{task}/")]
        parts += [(task, total), *own]
    losses = "  ".join(f"{name} {loss:.4f}" for name, loss in parts)
    return f"loss  {losses}  {progress.examples_per_second:,.0f} examples/s"


def outcome(result: Result) -> str:
    """What there is now, and where."""
    best = result.best
    if result.interrupted:
        done = f"Interrupted after {_count(result.steps, 'step')}."
        if best is None:
            return f"{done} {result.out} holds the model as it was then, not yet evaluated."
        return f"{done} {result.out} holds the best model so far, of epoch {best.epoch}: average {best.average:.4f}."
    stopped = f"Stopped: {result.stopped}.\n" if result.stopped else ""
    score = "" if best is None else f"best average {best.average:.4f}; "
    done = f"{_count(result.epochs, 'epoch')}, {_count(result.steps, 'step')}"
    took = f"{timedelta(seconds=round(result.seconds))}, {result.examples_per_second:,.0f} examples/s"
    return f"{stopped}Done: {score}{done} in {took}.\nModel, predictions and metrics are in {result.out}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
