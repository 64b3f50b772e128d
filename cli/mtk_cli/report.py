"""`mtk report`: runs and sweeps as one page to look at, to print and to send."""

from __future__ import annotations

from pathlib import Path

import click

from mtk_cli.completion import runs
from mtk_cli.escape import say


@click.command("report")
@click.argument("paths", metavar="RUN|SWEEP…", nargs=-1, required=True, type=click.Path(path_type=Path), shell_complete=runs)
@click.option(
    "--out",
    default="report.html",
    show_default=True,
    metavar="FILE.html",
    type=click.Path(path_type=Path),
    help="The page to write; a report that is there is replaced.",
)
@click.option("--baseline", metavar="ROW", help="The row that the others are compared with; the first unless given.")
def command(paths: tuple[Path, ...], out: Path, baseline: str | None) -> None:
    """Write a page on runs and sweeps: how they learned, how their tasks got along, what they answered, and what the figures
    support.

    The page is one file, needs no network, and shows several runs beside one another and then one by one.
    """
    from mtk.study.report.page import write_report

    page = write_report(paths, out, baseline)
    say(f"{out}: {out.stat().st_size / 1e6:.2f} MB, {', '.join(section.title for section in page.sections)}")
    for note in page.notes:
        say(note, err=True)
