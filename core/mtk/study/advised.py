"""Whom advice is on: from the directories of runs and sweeps to what is asked of each, and what its figures support."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from mtk.errors import DataError
from mtk.events import Conflict
from mtk.study import curves
from mtk.study.advice import (
    Course,
    Difference,
    Finding,
    of_conflict,
    of_differences,
    of_learning,
    of_many_conflicts,
    of_run,
    pooled,
    relations,
)
from mtk.study.answers import Calibration, calibration
from mtk.study.compare import AVERAGE, Comparison, average_over, compare, shared_tasks
from mtk.study.entries import Entry, as_text, decisive, read_entries
from mtk.study.record import RunRecord, Told
from mtk.training.development import Answers

MOST_ROWS = 4  # of whose conflicts each is told; those of more are told together


@dataclass(frozen=True)
class RowRuns:
    """The runs of one row that have been evaluated, with what they told."""

    name: str
    runs: Sequence[tuple[RunRecord, Told]]
    tasks: Sequence[str]  # that it shares with the rows beside it

    @property
    def seeds(self) -> set[int]:
        """Those that it was run with."""
        return {run.config.seed for run, _ in self.runs if run.config}

    @property
    def averages(self) -> list[float]:
        """Of each run, over the tasks that the rows share."""
        return [average_over(run, self.tasks) for run, _ in self.runs]

    @property
    def average(self) -> float:
        return fmean(self.averages)

    @property
    def conflict(self) -> Conflict | None:
        """That of all its runs."""
        return curves.merged(curves.measured(told.progress) for _, told in self.runs)


def advise(paths: Sequence[Path], baseline: str | None = None) -> list[Finding]:
    """What the figures of runs and sweeps support; `baseline` is the row that others are compared with, the first unless
    given. Raises DataError where there is nothing to advise on, UsageError for a baseline that there is not."""
    entries = read_entries(paths)
    begun = [entry.run for entry in entries if entry.run and entry.run.state != "damaged"]
    if not begun:
        problems = [entry.run.problem for entry in entries if entry.run]
        raise DataError(" ".join(["There is no run to advise on yet.", *problems]))
    if len(entries) == 1:
        run = begun[0]
        return of_run(course_of(run, run.told(), calibrations(run.development())))
    rows = rows_of(entries)
    return of_rows(rows, differences_in(compare(entries, baseline)) if rows else [])


def of_rows(rows: Sequence[RowRuns], differences: Sequence[Difference]) -> list[Finding]:
    """What the figures of several runs support: of the rows beside one another, of how each row's tasks got along, and of
    how the best run learned."""
    if not rows:
        return []
    found = of_differences(differences, {row.name: len(row.seeds) for row in rows}, spread_of(rows))
    related = {row.name: pooled([relations(course_of(*of_row)) for of_row in row.runs]) for row in rows}
    if len(rows) > MOST_ROWS:
        found += of_many_conflicts({name: told.conflict for name, told in related.items() if told.conflict})
    else:
        for name, told in related.items():
            told = replace(told, lengths={})  # which are much the same in every row
            found += [Finding(f.topic, f"{name}: {f.text}") for f in of_conflict(told) if f.topic == "conflict"]
    best = max(rows, key=lambda row: max(row.averages))
    run, told_of_it = max(best.runs, key=lambda of_row: of_row[0].best.average if of_row[0].best else -math.inf)
    found += [Finding(f.topic, f"{best.name}: {f.text}") for f in of_learning(course_of(run, told_of_it))]
    return found


def rows_of(entries: Sequence[Entry]) -> list[RowRuns]:
    """The rows in their order, of the runs that are done and have a score: of each seed the newest, as they are compared."""
    found: dict[str, dict[int, RunRecord]] = {}
    for entry in sorted(entries, key=lambda entry: entry.run.modified if entry.run else 0.0):
        run = entry.run
        if run and run.state == "done" and run.best and math.isfinite(run.best.average):
            found.setdefault(entry.row, {})[entry.seed] = run
    order = [row for row in dict.fromkeys(entry.row for entry in entries) if row in found]
    tasks = shared_tasks([run for row in order for run in found[row].values()])
    return [RowRuns(row, [(run, run.told()) for _, run in sorted(found[row].items())], tasks) for row in order]


def differences_in(comparison: Comparison) -> list[Difference]:
    """How far each row's average is from the baseline's, where that could be told."""
    base = next((row for row in comparison.rows if row.name == comparison.baseline), None)
    found = []
    for row in comparison.rows if base else []:
        away = row.scores[AVERAGE].difference
        if base and away is not None:
            seeds = min(len(row.seeds), len(base.seeds))
            found.append(Difference(row.name, base.name, away.estimate, away.low, away.high, seeds))
    return found


def spread_of(rows: Sequence[RowRuns]) -> float | None:
    """The standard deviation over seeds of a row's average, over all rows that have several; None where none has."""
    several = [row.averages for row in rows if len(row.averages) > 1]
    if not several:
        return None
    squares = sum((len(averages) - 1) * stdev(averages) ** 2 for averages in several)
    return math.sqrt(squares / sum(len(averages) - 1 for averages in several))


def course_of(run: RunRecord, told: Told, calibrations: Mapping[str, Calibration] | None = None) -> Course:
    """What is asked of a run to be advised on."""
    last = told.progress[-1].step if told.progress else 0
    return Course(
        combiner=combiner_of(run),
        steps=run.result.steps if run.result else last,
        tasks=tasks_of(run, told),
        progress=told.progress,
        evaluations=told.evaluations,
        calibrations=calibrations or {},
        notes=run.result.notes if run.result else (),
        asked=run.config is not None and run.config.cosines != "auto",
    )


def calibrations(answers: Mapping[str, Answers]) -> dict[str, Calibration]:
    """Those of the sets that have probabilities."""
    return {name: found for name, of_set in answers.items() if (found := calibration(of_set))}


def combiner_of(run: RunRecord) -> str:
    """What it was called with, without the package."""
    return as_text(decisive(run.config)["combiner"]) if run.config else "the combiner"


def tasks_of(run: RunRecord, told: Told) -> list[str]:
    """Its tasks, in their order."""
    if run.plan:
        return [task.name for task in run.plan.tasks]
    return list(told.progress[-1].losses) if told.progress else list(run.best.metrics) if run.best else []
