"""`mtk advise`: what the figures of runs support, in words."""

from __future__ import annotations

from pathlib import Path

import click

from mtk_cli.completion import runs
from mtk_cli.json_output import json_option, print_json


@click.command("advise")
@click.argument("paths", metavar="RUN|SWEEP…", nargs=-1, required=True, type=click.Path(path_type=Path), shell_complete=runs)
@click.option("--baseline", metavar="ROW", help="The row that the others are compared with; the first unless given.")
@json_option("Print one JSON array, an object for each sentence.")
def command(paths: tuple[Path, ...], baseline: str | None, as_json: bool) -> None:
    """Say what the figures of runs support: whether tasks are in conflict, whether differences are more than noise, which
    task overfits or is starved, and what to try next. Each sentence has its figure; what no figure supports is not said.
    """
    from mtk.study.advice import by_topic
    from mtk.study.advised import advise
    from mtk_cli.output import stdout, table

    findings = advise(paths, baseline)
    if as_json:
        print_json([finding._asdict() for finding in findings])
        return
    console = stdout()
    if not findings:
        console.say("The figures support nothing that could be said.")
        return
    grid = table()
    for topic, sentences in by_topic(findings).items():
        for number, sentence in enumerate(sentences):
            grid.add_row("" if number else topic, sentence)
    console.print(grid)
