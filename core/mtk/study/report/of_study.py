"""What a report shows of several runs: the table of their rows, which differences are more than noise, how the rows' tasks
got along, and the study's own figures where the rows are its."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from mtk.study import curves, published
from mtk.study.advice import Difference
from mtk.study.advised import RowRuns, differences_in, of_rows, rows_of, spread_of, tasks_of
from mtk.study.compare import AVERAGE, Comparison, Score, compare
from mtk.study.entries import Entry
from mtk.study.report import charts
from mtk.study.report.blocks import Block, Chart, Charts, Facts, Key, Section, Table, Text
from mtk.study.report.charts import Line
from mtk.study.report.of_run import AFTER, BEFORE, said

MOST_LINES = 6  # rows that have a curve of their own in one chart
COLORS = ("var(--first)", "var(--second)", "var(--agree)", "var(--conflict)", "var(--muted)", "var(--ink)")
DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (4, 4), (1, 3))


def sections(entries: Sequence[Entry], baseline: str | None = None) -> list[Section]:
    """All of it. Raises DataError for runs that cannot be compared, UsageError for a baseline that there is not."""
    rows = rows_of(entries)
    if not rows:
        return [in_short(entries, rows, [])]
    comparison = compare(entries, baseline)
    found = [in_short(entries, rows, differences_in(comparison)), table(comparison)]
    if beside := beside_the_study(entries, rows, comparison):
        found.append(beside)
    return [*found, getting_along(rows), learning(rows)]


def in_short(entries: Sequence[Entry], rows: Sequence[RowRuns], differences: Sequence[Difference]) -> Section:
    """How many runs there are, the best row, and what the figures support."""
    unfinished = [entry for entry in entries if entry.run is None or entry.run.state != "done"]
    lead = ""
    if unfinished:
        failed = sum(bool(entry.failure) for entry in unfinished)
        count = f"{len(unfinished)} of {len(entries)} runs {'is' if len(unfinished) == 1 else 'are'} not done"
        lead = f"{count}; {failed} failed." if failed else f"{count}."
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


def beside_the_study(entries: Sequence[Entry], rows: Sequence[RowRuns], comparison: Comparison) -> Section | None:
    """The study's own figures where the rows are its: its tasks, and plain heads among the rows."""
    settings = {entry.row: entry.settings for entry in entries if entry.run and entry.run.config}
    plain = [row for row in rows if settings.get(row.name) and published.is_plain(settings[row.name])]
    if not plain or len(rows) < 2 or any(set(tasks_of(run, told)) != published.TASKS for run, told in rows[0].runs):
        return None
    first, best = plain[0], max(rows, key=lambda row: row.average)
    gain = f"{best.average - first.average:+.4f}"
    away = next((row.scores[AVERAGE].difference for row in comparison.rows if row.name == best.name), None)
    if away and comparison.baseline == first.name:
        gain = f"{away.estimate:+.4f} ({away.low:+.4f} to {away.high:+.4f})"
    lines = [
        ["plain heads, losses summed", f"{published.PLAIN:.3f}", f"{first.average:.4f}", first.name],
        ["the best row", f"{published.BEST:.3f}", f"{best.average:.4f}", best.name],
        ["gain of the best row", f"{published.BEST - published.PLAIN:+.3f}", gain, ""],
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
    """Each task's score over the steps, a curve for each row, the best of them: the mean of its seeds."""
    lead = "Scores on the development sets, means over the seeds."
    if len(rows) > MOST_LINES:
        lead = f"Scores on the development sets, means over the seeds, of the {MOST_LINES} best of {len(rows)} rows."
        best = sorted(rows, key=lambda row: -row.average)[:MOST_LINES]
        rows = [row for row in rows if row in best]
    tasks = list(dict.fromkeys(task for row in rows for run, told in row.runs for task in tasks_of(run, told)))
    styles = zip(rows, COLORS, DASHES, strict=False)
    keys = [Key(row.name, color, "dashes" if dash else "line") for row, color, dash in styles]
    drawn = []
    for task in tasks:
        lines = []
        for row, color, dash in zip(rows, COLORS, DASHES, strict=False):
            found = [curves.scores(told.evaluations).get(task, []) for _, told in row.runs]
            lines.append(Line(f"{row.name}, {task}", mean_of(found), color, dash, dots=True))
        drawn.append(Chart(task, charts.lines([line for line in lines if line.curve]), keys=keys))
    return Section("How the rows learned", lead, [Charts(drawn)])


def mean_of(found: Sequence[curves.Curve]) -> curves.Curve:
    """The mean of several curves at the steps that all of them have."""
    by_step = [{point.step: point.value for point in curve} for curve in found]
    shared = [step for step in by_step[0] if all(step in each for each in by_step)] if by_step else []
    return [curves.Point(step, fmean(each[step] for each in by_step)) for step in sorted(shared)]


def table(comparison: Comparison) -> Section:
    """Each row's scores: means and standard deviations over its seeds, and how far it is from the baseline."""
    base, columns = comparison.baseline, comparison.columns
    head = ["row", "seeds", *[f"{task} {metric}".strip().replace("_", " ") for task, metric in columns.items()]]
    lines = [
        [row.name, str(len(row.seeds)), *[_mean(row.scores.get(column)) for column in columns]] for row in comparison.rows
    ]
    best = max(range(len(lines)), key=lambda number: comparison.rows[number].scores[AVERAGE].mean)
    blocks: list[Block] = [Table(head, lines, numbers=range(1, len(head)), strong=[best])]
    compared = {row.name: row for row in comparison.rows if row.scores[AVERAGE].difference}
    if base and compared:
        away = {name: row.scores[AVERAGE].difference for name, row in compared.items()}
        shown = {name: (found.estimate, found.low, found.high) for name, found in away.items() if found}
        note = "The line is the 95 % interval over examples and seeds; it is grey where it holds 0."
        chart = charts.intervals(shown, title=f"average less that of {base}")
        blocks.append(Charts([Chart(f"Differences from {base}", chart, note, wide=True)]))
        differences = [
            [name, *[_away(row.scores.get(column)) for column in columns], "yes" if row.paired else "no"]
            for name, row in compared.items()
        ]
        head = ["row", *columns, "seed by seed"]
        title = f"Differences from {base}, by task, with 95 % intervals"
        blocks.append(Table(head, differences, title, range(1, len(head)), folded=True))
    blocks += [Text(note) for note in comparison.notes]
    return Section("The rows", "Means over the seeds, with their standard deviation.", blocks)


def _mean(score: Score | None) -> str:
    if score is None:
        return ""
    return f"{score.mean:.4f}" if score.sd is None else f"{score.mean:.4f} ± {score.sd:.4f}"


def _away(score: Score | None) -> str:
    away = score.difference if score else None
    return f"{away.estimate:+.4f} ({away.low:+.4f} to {away.high:+.4f})" if away else ""
