"""The page itself: what it is made of is put into its template, and written as one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path

from mtk.errors import DataError, UsageError
from mtk.files import write_file
from mtk.study.advised import combiner_of
from mtk.study.entries import Entry, read_entries
from mtk.study.record import RunRecord
from mtk.study.report import charts, of_run, of_study
from mtk.study.report.blocks import Page, Section

MARK = '<meta name="generator" content="mtk report'  # by which a report is known, in its first lines
MOST_BYTES = 1_400_000  # of a page; the runs that do not fit are left out of its details, and named


def write_report(paths: Sequence[Path], out: Path, baseline: str | None = None) -> Page:
    """Write a report on runs and sweeps to `out`, and give what it is made of; `baseline` is the row that others are
    compared with, the first unless given. Raises UsageError or DataError where there is nothing to report, and MtkError
    where it cannot be written."""
    entries = read_entries(paths)
    _check_place(out)
    page, html = with_details(page_of(entries, baseline), entries)
    write_file(out, html.encode())
    return page


def _check_place(out: Path) -> None:
    """Raises UsageError for a file that somebody may miss."""
    if not out.exists():
        return
    try:
        with out.open("rb") as file:
            is_report = MARK.encode() in file.read(4096)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written to: {error.strerror}.") from None
    if not is_report:
        raise UsageError(f"--out {out} is there and is no report. Choose another name, or remove it first.")


def rendered(page: Page) -> str:
    """The page as HTML: whole in itself, and everything in it that came from elsewhere escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    own, now = files(__package__), datetime.now()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(own.joinpath("page.html").read_text(encoding="utf-8"))
    parts = {name: Markup(own.joinpath(f"page.{name}").read_text(encoding="utf-8")) for name in ("css", "js")}
    text: str = template.render(
        page=page,
        draw=lambda spec: Markup(charts.svg(spec)),
        version=version("multitask-toolkit"),
        date=f"{now.day} {now:%B %Y, %H:%M}",
        **parts,
    )
    return text


def page_of(entries: Sequence[Entry], baseline: str | None = None) -> Page:
    """What a report on these runs shows. Raises DataError where none of them has begun."""
    begun = [entry for entry in entries if entry.run and entry.run.state != "damaged"]
    damaged = [(entry, entry.run) for entry in entries if entry.run and entry.run.state == "damaged"]
    notes = [f"{entry.row}, seed {entry.seed}, is damaged: {run.problem}" for entry, run in damaged]
    if not begun:
        raise DataError(" ".join(["There is no run to report yet.", *notes]))
    if len(entries) == 1:
        run = begun[0].run
        assert run
        return Page(run.name, summary(run), of_run.sections(run), notes=notes)
    sweeps = list(dict.fromkeys(entry.sweep.name for entry in entries if entry.sweep))
    title = f"{', '.join(sweeps) or 'Several runs'}"
    rows = dict.fromkeys(entry.row for entry in entries)
    lead = f"{len(rows)} {'rows' if len(rows) > 1 else 'row'}, {len(begun)} of {len(entries)} runs begun."
    return Page(title, lead, of_study.sections(entries, baseline), notes=notes)


def with_details(page: Page, entries: Sequence[Entry], most: int = MOST_BYTES) -> tuple[Page, str]:
    """The page with its runs one by one, as many as there is room for, the best of each row first; and its HTML."""
    html = rendered(page)
    if len(entries) < 2:
        return page, html
    details: dict[str, Sequence[Section]] = {}
    chosen = _by_turns(entries)
    for entry in chosen:
        assert entry.run
        tried = {**details, f"{entry.row}, seed {entry.seed}": of_run.sections(entry.run)}
        bigger = rendered(replace(page, details=tried))
        if len(bigger.encode()) > most:
            break
        details, html = tried, bigger
    if left := len(chosen) - len(details):
        note = (
            f"{left} of {len(chosen)} runs are not shown one by one, so that the page stays small: mtk report RUN shows one."
        )
        page = replace(page, details=details, notes=[*page.notes, note])
        return page, rendered(page)
    return replace(page, details=details), html


def summary(run: RunRecord) -> str:
    """A run in one line."""
    parts = [combiner_of(run)]
    if run.plan:
        heads = dict.fromkeys(task.head.partition(":")[0] for task in run.plan.tasks)
        parts += [
            " / ".join(heads),
            run.plan.encoder,
            f"{run.plan.epochs} epochs",
            f"{run.plan.device}, {run.plan.precision}",
        ]
    if run.config:
        parts.append(f"seed {run.config.seed}")
    return " · ".join(parts)


def _by_turns(entries: Sequence[Entry]) -> list[Entry]:
    """The runs that can be shown: the best of every row, then each row's next."""
    rows: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.run and entry.run.state != "damaged":
            rows.setdefault(entry.row, []).append(entry)
    ordered = [sorted(row, key=lambda e: -(e.run.best.average if e.run and e.run.best else -1)) for row in rows.values()]
    return [entry for turn in zip_longest(*ordered) for entry in turn if entry]
