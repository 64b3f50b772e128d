"""What a run says of itself on a terminal or in a log: what will run, how it goes, what it came to."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from threading import Timer
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.status import Status
from rich.text import Text

from mtk import hookimpl
from mtk.events import Evaluation, EvaluationProgress, EvaluationStart, Plan, Preparation, Progress, Result, StageProgress
from mtk_cli.escape import visible
from mtk_cli.output import Listing, Screen, scores, stdout, table

LOG_SECONDS = 20.0  # between two lines in a log
NOTEBOOK_SECONDS = 0.5  # between two forms of the line that moves there
PATIENCE = 3.0  # seconds after which a log says what is still being prepared
SKIPPED_SHOWN = 3


class Quiet:
    """Says only what a run came to."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    @hookimpl
    def mtk_run_finished(self, result: Result) -> None:
        self._screen.say(outcome(result))


class Report:
    """Says everything. On a terminal a bar moves, in a notebook a line; elsewhere a few plain lines a minute tell the same.

    As a context manager it says at once that something is going on, and puts the terminal back in order, however the run
    ends.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen, self._clock = screen, clock
        self._status: Status | Line | None = Status("starting", console=screen) if screen.is_live else None
        self._bar: Bar | Line | None = Bar(screen) if screen.is_live else None
        if screen.is_notebook:
            self._status = self._bar = Line(screen)
        self._next_line = float("-inf")
        self._untold: Progress | None = None
        self._waiting: Timer | None = None
        self._cosines = Means()

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._prepared()
        if self._bar:
            self._bar.stop()

    @hookimpl
    def mtk_run_preparing(self, preparation: Preparation) -> None:
        stage = preparation.stage
        if self._status:
            self._status.update(Text(visible(stage)))
            return
        self._prepared()
        self._waiting = Timer(PATIENCE, self._log, [stage])  # a mistake is answered before, and is all that is said
        self._waiting.daemon = True
        self._waiting.start()

    @hookimpl
    def mtk_run_started(self, plan: Plan) -> None:
        self._prepared()
        self._next_line = float("-inf")
        self._screen.print(tasks(plan))
        self._screen.print(setup(plan))
        for line in (*skipped(plan), *plan.notes):
            self._screen.say(line)
        self._screen.print()
        if self._bar:
            self._bar.begin(plan)

    @hookimpl
    def mtk_stage_progressed(self, progress: StageProgress) -> None:
        is_over = progress.step == progress.steps
        if self._bar:
            self._bar.show_stage(progress)
        if is_over:
            self._screen.say(told_of_stage(progress))
        elif not self._bar:
            self._log(told_of_stage(progress))

    @hookimpl
    def mtk_progressed(self, progress: Progress) -> None:
        self._cosines.add(progress.step, progress.cosines)
        if self._bar:
            self._bar.show(progress)
        else:
            self._untold = None if self._log(told(progress)) else progress

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
        if self._untold:  # the last of its epoch
            self._screen.say(told(self._untold))
            self._untold = None
        best = "  best so far" if evaluation.best else ""
        self._screen.say(f"epoch {evaluation.epoch}, step {evaluation.step}: average {evaluation.average:.4f}{best}", "bold")
        self._screen.print(scores({**evaluation.metrics, **evaluation.further}))
        if cosines := self._cosines.taken():
            each = "  ".join(f"{pair} {cosine:+.3f}" for pair, cosine in cosines.items())
            self._screen.say(f"  cosines of the gradients  {each}")
        self._last = evaluation

    @hookimpl
    def mtk_run_finished(self, result: Result) -> None:
        if self._bar:
            self._bar.stop()
        self._screen.print()
        if best := result.best:
            is_last = best == getattr(self, "_last", None)
            line = f"Best: epoch {best.epoch}, step {best.step}, average {best.average:.4f}"
            self._screen.say(f"{line}, the last one" if is_last else line, "bold")
            if not is_last:
                self._screen.print(scores({**best.metrics, **best.further}))
        self._screen.say(outcome(result))

    def _prepared(self) -> None:
        if self._status:
            self._status.stop()
        if self._waiting:
            self._waiting.cancel()

    def _log(self, line: str) -> bool:
        """Print a line, unless the last one is too near. Whether it was printed."""
        if self._clock() < self._next_line:
            return False
        self._next_line = self._clock() + LOG_SECONDS
        self._screen.say(line)
        return True


class Shown(Report):
    """The listener `progress`: what `mtk run` shows, for a run that Python code starts."""

    def __init__(self) -> None:
        super().__init__(stdout())


class Means:
    """The means of the cosines that were told since the last evaluation, by the steps of each report."""

    def __init__(self) -> None:
        self._step = 0
        self._sums: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def add(self, step: int, cosines: dict[str, float]) -> None:
        """What was told at `step`, of the steps since the report before."""
        steps, self._step = max(1, step - self._step), step
        for pair, cosine in cosines.items():
            total, count = self._sums[pair]
            self._sums[pair] = total + steps * cosine, count + steps

    def taken(self) -> dict[str, float]:
        """ "a/b" -> their mean; then it begins anew."""
        means = {pair: total / count for pair, (total, count) in self._sums.items()}
        self._sums.clear()
        return means


class Bar(ProgressBar):
    """The steps of a run as a bar, and the losses in a line below it."""

    def __init__(self, screen: Screen) -> None:
        self._losses = Text()
        self._evaluation: TaskID | None = None
        self._stage: TaskID | None = None
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=screen,
        )

    def begin(self, plan: Plan) -> None:
        self._epochs = plan.epochs
        self._steps = self.add_task(f"epoch 1/{plan.epochs}", total=plan.steps)
        self.start()

    def show(self, progress: Progress) -> None:
        self._losses = Text(visible(pace(progress)), no_wrap=True, overflow="ellipsis")
        self.update(self._steps, completed=progress.step, description=f"epoch {progress.epoch}/{self._epochs}")

    def show_stage(self, progress: StageProgress) -> None:
        if self._stage is None:
            self._stage = self.add_task(visible(progress.stage), total=progress.steps)
        self._losses = Text(visible(told_of_stage(progress)), no_wrap=True, overflow="ellipsis")
        self.update(self._stage, completed=progress.step)
        if progress.step == progress.steps:
            self.remove_task(self._stage)
            self._stage = None

    def begin_evaluation(self, start: EvaluationStart) -> None:
        self._evaluation = self.add_task("evaluation", total=sum(start.examples.values()))
        self._done = dict.fromkeys(start.examples, 0)

    def show_evaluation(self, progress: EvaluationProgress) -> None:
        assert self._evaluation is not None
        self._done[progress.task] = progress.done
        self.update(self._evaluation, completed=sum(self._done.values()))

    def end_evaluation(self) -> None:
        if self._evaluation is not None:
            self.remove_task(self._evaluation)
        self._evaluation = None

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield self._losses


class Line:
    """What moves in a notebook, where a carriage return goes back to a line's beginning and nothing goes further back: one
    line, in the place of `Status` before a run begins, and of `Bar` then."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = screen.file, clock
        self._length, self._next = 0, float("-inf")

    def start(self) -> None:
        """Something goes on."""
        self.update(Text("starting"))

    def update(self, stage: Text) -> None:
        self._write(stage.plain)

    def begin(self, plan: Plan) -> None:
        self._epochs = plan.epochs

    def show(self, progress: Progress) -> None:
        self._now_and_then(f"epoch {progress.epoch}/{self._epochs}  {told(progress)}")

    def show_stage(self, progress: StageProgress) -> None:
        self._now_and_then(told_of_stage(progress))

    def begin_evaluation(self, start: EvaluationStart) -> None:
        self._done, self._total = dict.fromkeys(start.examples, 0), sum(start.examples.values())

    def show_evaluation(self, progress: EvaluationProgress) -> None:
        self._done[progress.task] = progress.done
        self._now_and_then(f"evaluation {sum(self._done.values()):,}/{self._total:,}")

    def end_evaluation(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Nothing is left of it."""
        if self._length:
            self._write("")
            self._file.write("\r")
            self._file.flush()

    def _now_and_then(self, text: str) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + NOTEBOOK_SECONDS
            self._write(text)

    def _write(self, text: str) -> None:
        text = visible(text)
        self._file.write(f"\r{text.ljust(self._length)}")
        self._file.flush()
        self._length = len(text)


def tasks(plan: Plan) -> Listing:
    """What is trained on what."""
    is_augmented = any(task.augmenter for task in plan.tasks)
    numbers = ("batch", "train", *(["augmented"] if is_augmented else []), "dev", "test")
    rows = table("task", "kind", "head", *numbers, right=numbers)
    for task in plan.tasks:
        kind = f"{task.kind}, pairs" if task.pair else task.kind
        made = f"{task.augmented:,} by {task.augmenter}" if task.augmenter else "none"
        train = [f"{task.train:,}", *([made] if is_augmented else [])]
        rows.add_row(task.name, kind, task.head, f"{task.batch_size:,}", *train, f"{task.dev:,}", f"{task.test:,}")
    return rows


def setup(plan: Plan) -> Listing:
    """What the tasks share."""
    grid = Listing()
    grid.add_row("encoder", f"{plan.encoder}, {plan.parameters / 1e6:,.1f} M parameters with the heads")
    if plan.plain is not None:
        grid.add_row("", f"one task after the other: {plan.plain}")
    if plan.frozen:
        grid.add_row("", f"{plan.frozen / 1e6:,.1f} M of them are frozen")
    grid.add_row("combiner", plan.combiner)
    for kind, name, default in (
        ("pooling", plan.pooling, "mean"),
        ("sampler", plan.sampler, "equal"),
        ("optimizer", plan.optimizer, "adamw"),
        ("schedule", plan.schedule, "linear"),
    ):
        if name != default:
            grid.add_row(kind, name)
    for stage in plan.stages:
        grid.add_row("stage", stage)
    together = f", {plan.processes} processes" if plan.processes > 1 else ""
    together += ", sharded" if plan.sharded else ""
    grid.add_row("device", f"{plan.device}, {plan.precision}{together}" + (", CUDA graphs" if plan.recorded else ""))
    grid.add_row("training", f"{_count(plan.epochs, 'epoch')}, {_count(plan.steps, 'step')}")
    grid.add_row("out", str(plan.out))
    return grid


def skipped(plan: Plan) -> Iterable[str]:
    """The rows left out: how many, and the first of them; and what else is to be said of a task's rows."""
    for task in plan.tasks:
        yield from task.notes
        if task.skipped:
            yield f"{task.name}: {_count(len(task.skipped), 'bad row')} left out"
            yield from (f"  {row}" for row in task.skipped[:SKIPPED_SHOWN])
            if len(task.skipped) > SKIPPED_SHOWN:
                yield f"  and {len(task.skipped) - SKIPPED_SHOWN:,} more"


def told(progress: Progress) -> str:
    """A report as a line of a log."""
    return f"step {progress.step}/{progress.steps}  {pace(progress)}"


def told_of_stage(progress: StageProgress) -> str:
    """The same of a stage."""
    done = f"stage {progress.stage}  step {progress.step}/{progress.steps}"
    return f"{done}  loss {progress.loss:.4f}  {progress.texts_per_second:,.0f} texts/s"


def pace(progress: Progress) -> str:
    """The loss of each task, after it the losses of its head's own that are part of it, and the speed."""
    parts = []
    for task, total in progress.losses.items():
        own = [(name, loss) for name, loss in progress.own_losses.items() if name.startswith(f"{task}/")]
        parts += [(task, total), *own]
    losses = "  ".join(f"{name} {loss:.4f}" for name, loss in parts)
    skipped = f"  {_count(progress.skipped, 'step')} left out" if progress.skipped else ""
    return f"loss  {losses}  {progress.examples_per_second:,.0f} examples/s{skipped}"


def outcome(result: Result) -> str:
    """What somebody should know of the run, what there is now, and where."""
    return "\n".join([*result.notes, _ended(result)])


def _ended(result: Result) -> str:
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


class Rows:
    """A bar for the rows that a model reads, on standard error: standard output is for what is asked for. It is gone when
    they are done; where there is no terminal nothing is said."""

    def __init__(self, description: str, *, total: int | None = None, is_shown: bool = True) -> None:
        screen = Screen(stderr=True)
        self._bar = ProgressBar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=screen,
            transient=True,
            redirect_stdout=False,  # on which an answer may appear meanwhile
            disable=not (is_shown and screen.is_live),
        )
        self._task = self._bar.add_task(visible(description), total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def done(self, rows: int, total: int | None = None) -> None:
        """So many are done, and of how many, if nobody said so before."""
        self._bar.update(self._task, completed=rows, total=total)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
