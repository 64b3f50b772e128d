"""What a report shows of several runs: the table of their rows, which differences are more than noise, how the rows' tasks
got along, and the study's own figures where the rows are its."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from mtk.study import curves, published
from mtk.study.advice import Difference
from mtk.study.advised import RowRuns, of_rows, rows_of, spread_of, tasks_of
from mtk.study.entries import Entry
from mtk.study.report import charts
from mtk.study.report.blocks import Chart, Charts, Facts, Key, Section, Table
from mtk.study.report.charts import Line
from mtk.study.report.of_run import AFTER, BEFORE, said

MOST_LINES = 6  # rows that have a curve of their own in one chart
COLORS = ("var(--first)", "var(--second)", "var(--agree)", "var(--conflict)", "var(--muted)", "var(--ink)")
DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (4, 4), (1, 3))


def sections(entries: Sequence[Entry]) -> list[Section]:
    """All of it."""
    rows = rows_of(entries)
    found = [in_short(entries, rows, [])]
    if not rows:
        return found
    found.append(table(entries, rows))
    if beside := beside_the_study(entries, rows):
        found.append(beside)
    found.append(getting_along(rows))
    if len(rows) <= MOST_LINES:
        found.append(learning(rows))
    return found


def in_short(entries: Sequence[Entry], rows: Sequence[RowRuns], differences: Sequence[Difference]) -> Section:
    """How many runs there are, the best row, and what the figures support."""
    unfinished = [entry for entry in entries if entry.run is None or entry.run.state != "done"]
    lead = ""
    if unfinished:
        failed = sum(bool(entry.failure) for entry in unfinished)
        lead = f"Of {len(entries)} runs {len(unfinished)} are not done" + (f", {failed} of them failed." if failed else ".")
    if not rows:
        return Section("In short", f"{lead} There is no score yet.".strip())
    best = max(rows, key=lambda row: row.average)
    seeds = sorted({len(row.seeds) for row in rows})
    facts = [
        ("best average", f"{best.average:.4f}", best.name),
        ("rows", str(len(rows)), ""),
        ("runs", str(sum(len(row.runs) for row in rows)), f"{seeds[0]} to {seeds[-1]} a row" if len(seeds) > 1 else ""),
    ]
    if spread := spread_of(rows):
        facts.append(("noise of seeds", f"{spread:.4f}", "standard deviation of an average"))
    return Section("In short", lead, [Facts(facts), *said(of_rows(rows, differences))])


def beside_the_study(entries: Sequence[Entry], rows: Sequence[RowRuns]) -> Section | None:
    """The study's own figures where the rows are its: its tasks, and plain heads among the rows."""
    settings = {entry.row: entry.settings for entry in entries if entry.run and entry.run.config}
    plain = [row for row in rows if settings.get(row.name) and published.is_plain(settings[row.name])]
    if not plain or len(rows) < 2 or any(set(tasks_of(run, told)) != published.TASKS for run, told in rows[0].runs):
        return None
    first, best = plain[0], max(rows, key=lambda row: row.average)
    lines = [
        ["plain heads, losses summed", f"{published.PLAIN:.3f}", f"{first.average:.4f}", first.name],
        ["the best row", f"{published.BEST:.3f}", f"{best.average:.4f}", best.name],
        ["gain of the best row", f"{published.BEST - published.PLAIN:+.3f}", f"{best.average - first.average:+.4f}", ""],
    ]
    head = ["average of the three scores", "the study", "here", "row"]
    lead = (
        "Three Heads Are Better Than One reports these of its Table 1, with one seed, BERT-base and 283,003 pairs of Quora. "
        f"Its main finding is a gain of {published.BY_HEADS:+.2f} by task-specific heads."
    )
    return Section("Beside the study", lead, [Table(head, lines, numbers=(1, 2))])


def getting_along(rows: Sequence[RowRuns]) -> Section:
    """The share of steps in conflict, row by row."""
    title = "How the tasks got along"
    measured = {row.name: conflict for row in rows if (conflict := row.conflict)}
    if not measured:
        return Section(
            title, "No run measured it. Run them with --cosines encoder, or with --cosines layer to see each layer."
        )
    without = len(rows) - len(measured)
    lead = (
        "Before: the share of steps in which the gradients of any two tasks had a negative cosine. After: that in which "
        "what the combiner made of them had one with any task's own."
    )
    if without:
        lead += f" {without} of {len(rows)} rows did not measure it; --cosines encoder does, whatever the combiner."
    shares = {name: (conflict.before, conflict.after) for name, conflict in measured.items()}
    pairs = list(dict.fromkeys(pair for conflict in measured.values() for pair in conflict.pairs))
    head = ["row", "steps", "before", "after", *[pair.replace("/", " and ") for pair in pairs]]
    lines = [
        [
            name,
            f"{c.steps:,}",
            f"{c.before:.1%}",
            f"{c.after:.1%}",
            *[f"{c.pairs[p]:.1%}" if p in c.pairs else "" for p in pairs],
        ]
        for name, c in measured.items()
    ]
    chart = Chart("Steps in conflict", charts.before_and_after(shares, width=420), "", [BEFORE, AFTER], wide=True)
    return Section(title, lead, [Charts([chart]), Table(head, lines, "By row", range(1, len(head)))])


def learning(rows: Sequence[RowRuns]) -> Section:
    """Each task's score over the steps, a curve for each row: the mean of its seeds."""
    tasks = list(dict.fromkeys(task for row in rows for run, told in row.runs for task in tasks_of(run, told)))
    keys = [Key(row.name, color, "line") for row, color in zip(rows, COLORS, strict=False)]
    drawn = []
    for task in tasks:
        lines = []
        for row, color, dash in zip(rows, COLORS, DASHES, strict=False):
            found = [curves.scores(told.evaluations).get(task, []) for _, told in row.runs]
            lines.append(Line(f"{row.name}, {task}", mean_of(found), color, dash, dots=True))
        drawn.append(Chart(task, charts.lines([line for line in lines if line.curve]), keys=keys))
    return Section("How the rows learned", "Scores on the development sets, means over the seeds.", [Charts(drawn)])


def mean_of(found: Sequence[curves.Curve]) -> curves.Curve:
    """The mean of several curves at the steps that all of them have."""
    by_step = [{point.step: point.value for point in curve} for curve in found]
    shared = [step for step in by_step[0] if all(step in each for each in by_step)] if by_step else []
    return [curves.Point(step, fmean(each[step] for each in by_step)) for step in sorted(shared)]


def table(entries: Sequence[Entry], rows: Sequence[RowRuns]) -> Section:
    """Each row's scores: means and standard deviations over its seeds, and how far it is from the first."""
    tasks = list(dict.fromkeys(task for row in rows for run, _ in row.runs if run.best for task in run.best.metrics))
    head = ["row", "seeds", *tasks, "average"]
    lines = []
    for row in rows:
        by_task = [
            [curves.score_of(r.best.metrics[t]) for r, _ in row.runs if r.best and t in r.best.metrics] for t in tasks
        ]
        lines.append([row.name, str(len(row.seeds)), *map(_with_spread, [*by_task, row.averages])])
    best = max(range(len(rows)), key=lambda number: rows[number].average)
    return Section("The rows", "", [Table(head, lines, numbers=range(1, len(head)), strong=[best])])


def _with_spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    return f"{fmean(values):.4f}{spread}"
