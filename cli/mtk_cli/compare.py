"""`mtk compare`: runs and sweeps as one table, with what each row is above a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from mtk import UsageError
from mtk_cli.completion import runs
from mtk_cli.json_output import json_option, print_json


@click.command("compare")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), shell_complete=runs, metavar="RUN|SWEEP…")
@click.option("--baseline", metavar="ROW", help="The row that the others are compared with; the first unless given.")
@click.option("--format", "form", type=click.Choice(["csv", "markdown", "latex"]), help="Print a table to go on with.")
@json_option("Print one JSON object, with every seed's scores.")
def command(
    paths: tuple[Path, ...], baseline: str | None, form: Literal["csv", "markdown", "latex"] | None, as_json: bool
) -> None:
    """Compare runs, sweeps, or directories that hold runs.

    Runs that differ in nothing but their seeds are a row: mean ± standard deviation of each task's score. A difference from
    the baseline has an interval of 95 % over examples and seeds, by a bootstrap; a ! stands where it does not hold zero.
    """
    from mtk.study.compare import compare
    from mtk.study.entries import read_entries
    from mtk_cli import compared
    from mtk_cli.escape import visible
    from mtk_cli.output import stdout

    if form and as_json:
        raise UsageError("--json and --format are two forms: give one of them.")
    found = compare(read_entries(paths), baseline)
    if as_json:
        print_json(found)
        return
    if form:
        writes = {"csv": compared.as_csv, "markdown": compared.as_markdown, "latex": compared.as_latex}
        click.echo(visible(writes[form](found)), nl=False)
        for note in found.notes:
            click.echo(visible(note), err=True)
        return
    compared.show(stdout(), found)
