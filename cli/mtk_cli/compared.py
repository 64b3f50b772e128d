"""How a comparison looks: on a terminal, and as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from mtk.study.compare import AVERAGE, ComparedRow, Comparison, Score
from mtk.study.resampling import Interval
from mtk_cli.escape import visible
from mtk_cli.output import Listing, Screen, table

PLOT = 25  # characters of the picture of an interval


def show(screen: Screen, found: Comparison, *, with_settings: bool = True) -> None:
    """The scores of every row, how far each is from the baseline, what the rows differ in, and what is to be said."""
    screen.print(scores(found))
    if found.baseline and any(row.scores[AVERAGE].difference for row in found.rows):
        screen.print()
        screen.say(f"Difference from {found.baseline}, with intervals of 95 % over examples and seeds", "bold")
        screen.print(differences(found))
    if with_settings and any(row.settings and not _names(row) for row in found.rows):
        screen.print()
        screen.say("What the rows differ in", "bold")
        screen.print(settings(found))
    if found.notes:
        screen.print()
        for note in found.notes:
            screen.say(note)


def scores(found: Comparison) -> Listing:
    """A line for each row; the best of a column has a star."""
    headers = [f"{column} {metric}".strip() for column, metric in found.columns.items()]
    grid = table("", "seeds", *headers, "a run", right=("seeds", *headers, "a run"))
    best = {column: _best(found, column) for column in found.columns}
    for row in found.rows:
        cells = []
        for column in found.columns:
            score = row.scores.get(column)
            star = "*" if score and score.mean == best[column] and len(found.rows) > 1 else " "
            cells.append(f"{_plain(score)}{star}" if score else "")
        grid.add_row(row.name, f"{len(row.seeds)}", *cells, str(timedelta(seconds=round(row.seconds))))
    return grid


def differences(found: Comparison) -> Listing:
    """A line for each row but the baseline: the average's difference as a picture too."""
    away = [score.difference for row in found.rows if (score := row.scores[AVERAGE]).difference]
    low = min(0.0, *(each.low for each in away if each)) if away else 0.0
    high = max(0.0, *(each.high for each in away if each)) if away else 0.0
    grid = table("", *found.columns, f"{AVERAGE}, {low:+.3f} to {high:+.3f}")
    for row in found.rows:
        if row.name != found.baseline:
            cells = [_away(row.scores.get(column)) for column in found.columns]
            average = row.scores[AVERAGE].difference
            grid.add_row(row.name, *cells, _plot(average, low, high) if average else "")
    return grid


def settings(found: Comparison) -> Listing:
    """A line for each row whose name does not say it."""
    grid = Listing()
    for row in found.rows:
        grid.add_row(row.name, ", ".join(f"{name}={value}" for name, value in row.settings.items()) or "the defaults")
    return grid


def as_csv(found: Comparison) -> str:
    """A line for each row and column, with all that is known of it."""
    names = list(dict.fromkeys(name for row in found.rows for name in row.settings))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    around = ["low", "high", "difference", "difference_low", "difference_high"]
    writer.writerow(["row", *names, "task", "metric", "seeds", "mean", "sd", *around])
    for row in found.rows:
        for column, score in row.scores.items():
            own = [score.interval.low, score.interval.high] if score.interval else ["", ""]
            away = score.difference
            theirs = [away.estimate, away.low, away.high] if away else ["", "", ""]
            known = [row.settings.get(name, "") for name in names]
            sd = "" if score.sd is None else score.sd
            writer.writerow([row.name, *known, column, found.columns[column], len(row.seeds), score.mean, sd, *own, *theirs])
    return file.getvalue()


def as_markdown(found: Comparison) -> str:
    """A table as GitHub has it; the best of a column is bold."""
    columns = [f"{column}, {metric}" if metric else column for column, metric in found.columns.items()]
    head = ["", "seeds", *columns, *([f"difference from {found.baseline}"] if _has_differences(found) else [])]
    lines = [_line(head), _line(["---", "--:", *["--:"] * (len(head) - 2)])]
    bold: Callable[[str], str] = "**{}**".format
    lines += [_line([_cell(row.name), *cells]) for row, cells in _rows(found, bold, "±", "–")]
    return "\n".join(lines) + "\n"


def as_latex(found: Comparison) -> str:
    """A table for the package booktabs; the best of a column is bold."""
    away = _has_differences(found)
    columns = [f"{_tex(column)} {_tex(metric)}".strip() for column, metric in found.columns.items()]
    head = ["", "seeds", *columns, *([f"difference from {_tex(found.baseline or '')}"] if away else [])]
    lines = [r"\begin{tabular}{lr" + "r" * len(columns) + ("r" if away else "") + "}", r"\toprule"]
    lines += [" & ".join(head) + r" \\", r"\midrule"]
    bold: Callable[[str], str] = r"\textbf{{{}}}".format
    lines += [" & ".join([_tex(row.name), *cells]) + r" \\" for row, cells in _rows(found, bold, r"$\pm$", "--")]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _rows(
    found: Comparison, bold: Callable[[str], str], plus_minus: str, dash: str
) -> Iterator[tuple[ComparedRow, list[str]]]:
    best = {column: _best(found, column) for column in found.columns}
    for row in found.rows:
        cells = [f"{len(row.seeds)}"]
        for column in found.columns:
            score = row.scores.get(column)
            text = dash if score is None else f"{score.mean:.4f}"
            text += f" {plus_minus} {score.sd:.4f}" if score and score.sd is not None else ""
            cells.append(bold(text) if score and score.mean == best[column] and len(found.rows) > 1 else text)
        if _has_differences(found):
            away = row.scores[AVERAGE].difference
            cells.append(f"{away.estimate:+.4f} [{away.low:+.4f}, {away.high:+.4f}]" if away else dash)
        yield row, cells


def _has_differences(found: Comparison) -> bool:
    return any(row.scores[AVERAGE].difference for row in found.rows)


def _best(found: Comparison, column: str) -> float | None:
    return max((row.scores[column].mean for row in found.rows if column in row.scores), default=None)


def _names(row: ComparedRow) -> bool:
    """Whether a row's name tells all its settings."""
    return all(f"{name}={value}" in row.name for name, value in row.settings.items())


def _plain(score: Score) -> str:
    return f"{score.mean:.4f}" + (f" ± {score.sd:.4f}" if score.sd is not None else "")


def _away(score: Score | None) -> str:
    """A difference and its interval; one that is not zero has a mark."""
    if score is None or score.difference is None:
        return ""
    away = score.difference
    mark = "!" if away.excludes_zero else " "
    return f"{away.estimate:+.3f} [{away.low:+.3f}, {away.high:+.3f}]{mark}"


def _plot(away: Interval, low: float, high: float) -> str:
    """An interval between two ends, with what was estimated and where zero is: ──●──│"""
    scale = (PLOT - 1) / (high - low or 1.0)

    def place(value: float) -> int:
        return min(PLOT - 1, max(0, round((value - low) * scale)))

    line = [" "] * PLOT
    line[place(away.low) : place(away.high) + 1] = "─" * (place(away.high) - place(away.low) + 1)
    line[place(0.0)] = "┼" if line[place(0.0)] == "─" else "│"
    line[place(away.estimate)] = "●"
    return "".join(line)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


_TEX: dict[str, Any] = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\n": " ",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in visible(text))
