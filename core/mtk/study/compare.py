"""Rows beside one another: each task's score and their average, over seeds, and how far each is from a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from mtk.errors import DataError, UsageError, nearest
from mtk.study.entries import Entry, differences
from mtk.study.record import RunRecord
from mtk.study.resampling import Interval, Metric, difference, interval, mean, resampled

if TYPE_CHECKING:
    from mtk.study.resampling import Floats

AVERAGE = "average"  # the column of the mean of the tasks' scores
SHOWN = 5  # of runs that are left out, or that have no task in common


@dataclass(frozen=True)
class Score:
    """A column of a row, over its seeds."""

    mean: float
    sd: float | None  # the sample's; None with one seed
    values: list[float]  # of each seed
    interval: Interval | None = None  # over examples and seeds
    difference: Interval | None = None  # from the baseline


@dataclass(frozen=True)
class ComparedRow:
    """A row of the table."""

    name: str
    seeds: list[int]
    settings: dict[str, str]  # those that are not the same in all rows
    scores: dict[str, Score]  # task, or `AVERAGE` -> its score
    seconds: float  # a run took, on average
    paired: bool = True  # whether it was compared with the baseline seed by seed


@dataclass(frozen=True)
class Comparison:
    """The table."""

    columns: dict[str, str]  # task -> the metric that is its score; `AVERAGE` -> ""
    rows: list[ComparedRow]
    baseline: str | None
    notes: list[str] = field(default_factory=list)  # what is left out, and what an interval does not hold


def compare(entries: Sequence[Entry], baseline: str | None = None, *, intervals: bool = True) -> Comparison:
    """Compare the runs that are done; `baseline` is a row, the first unless given. Averages are over the tasks that all of
    them have. Raises UsageError for a baseline that there is not, DataError where nothing is done, or no task is in all."""
    rows: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.run and entry.run.state == "done" and entry.run.best:
            rows.setdefault(entry.row, []).append(entry)
    notes = _left_out(entries)
    if not rows:
        raise DataError(f"No run is done yet. {' '.join(notes)}".strip())
    if baseline is not None and baseline not in rows:
        raise UsageError(f"--baseline: there is no row '{baseline}' that is done. {nearest(baseline, rows)}")
    base = baseline if baseline is not None else next(iter(rows)) if len(rows) > 1 else None
    rows = {name: _one_of_each_seed(name, of_row, notes) for name, of_row in rows.items()}
    columns = _columns(rows)
    shared = shared_tasks([_run(entry) for of_row in rows.values() for entry in of_row])
    if len(shared) < len(columns) - 1:
        notes.append(f"Averages and intervals are of {' and '.join(shared)} alone, which every row has.")
    drawn = _drawn(rows, columns, shared, notes) if intervals else {}
    different = dict(zip(rows, differences([of_row[0].settings for of_row in rows.values()]), strict=True))
    found = [_row(name, of_row, columns, shared, different[name], base, rows, drawn) for name, of_row in rows.items()]
    if base and len(rows[base]) == 1 and drawn:
        notes.append("With one seed an interval is over examples alone: another seed may give another result.")
    if apart := [row.name for row in found if not row.paired]:
        notes.append(f"Not the same seeds as {base}, and so not compared seed by seed: {', '.join(apart)}.")
    return Comparison(columns, found, base, notes)


def shared_tasks(runs: Sequence[RunRecord]) -> list[str]:
    """The tasks that all of some evaluated runs have. Raises DataError where there is none."""
    first_with: dict[tuple[str, ...], RunRecord] = {}
    for run in runs:
        if run.best:
            first_with.setdefault(tuple(run.best.metrics), run)
    shared = [task for task in next(iter(first_with), ()) if all(task in tasks for tasks in first_with)]
    if first_with and not shared:
        told = "; ".join(f"{run.path} has {', '.join(tasks)}" for tasks, run in list(first_with.items())[:SHOWN])
        raise DataError(f"These runs have no task in common, and so nothing to be compared by: {told}.")
    return shared


def average_over(run: RunRecord, tasks: Sequence[str]) -> float:
    """The mean of an evaluated run's scores in these tasks of it."""
    assert run.best is not None
    if len(tasks) == len(run.best.metrics):
        return run.best.average
    return fmean(next(iter(run.best.metrics[task].values())) for task in tasks)


def _one_of_each_seed(name: str, entries: Sequence[Entry], notes: list[str]) -> list[Entry]:
    """The newest of each seed, in the order of the seeds."""
    by_seed = {entry.seed: entry for entry in sorted(entries, key=lambda e: e.run.modified if e.run else 0)}
    if len(by_seed) < len(entries):
        notes.append(f"{name} has several runs of one seed: the newest counts.")
    return [by_seed[seed] for seed in sorted(by_seed)]


def _left_out(entries: Sequence[Entry]) -> list[str]:
    """A line for the runs of each state that are no part of the table."""
    states: dict[str, list[str]] = {}
    for entry in entries:
        run = entry.run
        if run and run.state == "done" and run.best:
            continue
        state: str = "failed" if entry.failure else run.state if run else "not begun"
        why = entry.failure or (run.problem if run else "")
        line = why.strip().splitlines()[-1] if why else ""
        states.setdefault(state, []).append(f"{entry.row}, seed {entry.seed}" + (f" ({line})" if line else ""))
    notes = []
    for state, names in states.items():
        more = f"; and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        notes.append(f"{len(names)} {state}, no part of the table: {'; '.join(names[:SHOWN])}{more}.")
    return notes


def _columns(rows: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """Every task and the metric that is its score. Raises DataError where two runs score a task in two ways."""
    found: dict[str, str] = {}
    for of_row in rows.values():
        for entry in of_row:
            for task, metrics in _metrics(entry).items():
                metric = next(iter(metrics))
                if found.setdefault(task, metric) != metric:
                    raise DataError(
                        f"Task '{task}' is scored by {found[task]} in one run and by {metric} in {_run(entry).path}."
                    )
    return {**found, AVERAGE: ""}


def _row(
    name: str,
    entries: Sequence[Entry],
    columns: Mapping[str, str],
    shared: Sequence[str],
    settings: dict[str, str],
    base: str | None,
    rows: Mapping[str, Sequence[Entry]],
    drawn: Mapping[str, Mapping[int, Floats]],
) -> ComparedRow:
    values = {column: _values(entries, column, shared) for column in columns}
    own, reference = drawn.get(name), drawn.get(base or "")
    means = mean(own) if own else None
    compared, paired = (None, True) if not (own and reference and name != base) else difference(own, reference)
    place = {column: number for number, column in enumerate([AVERAGE, *shared])}
    scores = {}
    for column, of_column in values.items():
        if not of_column:
            continue
        middle, away, around = fmean(of_column), None, None
        if compared is not None and base and column in place:
            away = interval(middle - fmean(_values(rows[base], column, shared)), compared[place[column]])
        if means is not None and column in place:
            around = interval(middle, means[place[column]])
        scores[column] = Score(middle, stdev(of_column) if len(of_column) > 1 else None, of_column, around, away)
    seconds = fmean(result.seconds for entry in entries if (result := _run(entry).result))
    return ComparedRow(name, [entry.seed for entry in entries], settings, scores, seconds, paired)


def _values(entries: Sequence[Entry], column: str, shared: Sequence[str]) -> list[float]:
    """What each seed has in a column; nothing where a run has no such task."""
    if column == AVERAGE:
        return [average_over(_run(entry), shared) for entry in entries]
    return [next(iter(_metrics(entry)[column].values())) for entry in entries if column in _metrics(entry)]


def _drawn(
    rows: Mapping[str, Sequence[Entry]], columns: Mapping[str, str], tasks: Sequence[str], notes: list[str]
) -> dict[str, dict[int, Floats]]:
    """row -> seed -> what `resampled` gives of these tasks, of the rows whose runs kept what they answered."""
    found: dict[str, dict[int, Floats]] = {}
    for name, entries in rows.items():
        of_row: dict[int, Floats] = {}
        for entry in entries:
            answers = _run(entry).development()
            if not all(task in answers for task in tasks):
                notes.append(f"No intervals for {name}: {_run(entry).path} has not kept its answers to every task.")
                break
            metrics = {
                task: (columns[task], _values([entry], task, tasks)[0], _metric(_run(entry), task, columns[task]))
                for task in tasks
            }
            of_row[entry.seed] = resampled(answers, metrics, 0)
        else:
            found[name] = of_row
    return found


def _metric(run: RunRecord, task: str, name: str) -> Metric:
    """A task's own metric, of arrays; its kind is made when it is asked for the first time, which needs torch."""
    kinds: list[Any] = []

    def metric(predictions: Floats, labels: Floats) -> float:
        import torch

        from mtk.calling.failures import call
        from mtk.host.registry import Registry
        from mtk.training.checkpoint import tasks_of

        if not kinds:
            kinds.append(tasks_of(run.path, Registry())[task].kind)
        given: dict[str, Any] = {"predictions": torch.from_numpy(predictions), "labels": torch.from_numpy(labels)}
        found: dict[str, float] = call(kinds[0], "metrics", **given)
        return float(found[name])

    return metric


def _metrics(entry: Entry) -> dict[str, dict[str, float]]:
    best = _run(entry).best
    return best.metrics if best else {}


def _run(entry: Entry) -> RunRecord:
    assert entry.run is not None, "rows are made of runs"
    return entry.run
