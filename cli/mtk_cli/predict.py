"""`mtk predict`: a finished run's answer to each line of a file or of standard input."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path

import click

from mtk import UsageError
from mtk.config import Precision
from mtk.errors import nearest
from mtk_cli.completion import runs, tasks_of_run
from mtk_cli.escape import visible
from mtk_cli.json_output import json_option, print_json
from mtk_cli.settings import value


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.argument("task", shell_complete=tasks_of_run)
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--device", type=value("device"), default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", type=value("precision"), metavar="auto|fp32|bf16", help="As in the run unless given.")
@json_option("Print a JSON object a line, with the id.")
def command(run: Path, task: str, file: Path, device: str, precision: Precision | None, as_json: bool) -> None:
    """Predict a task for each text of a file.

    The model is that of the directory RUN. FILE is a .csv, .tsv or .jsonl file with the task's columns, or text with an
    example a line and a tab between the texts of a pair; standard input is such text.
    """
    import mtk
    from mtk.data.reading import parse_lines, read_texts
    from mtk_cli.console import Rows

    model = mtk.load(run, device=device, precision=precision)
    if task not in model.tasks:
        raise UsageError(f"{run} has no task '{task}'. {nearest(task, model.tasks)}")
    asked = model.tasks[task]
    if str(file) == "-":
        # not sys.stdin itself: in some locales it lets bytes pass that are no UTF-8
        split = parse_lines(TextIOWrapper(sys.stdin.buffer, encoding="utf-8"), asked, Path("standard input"))
    else:
        split = read_texts(file, asked)
    texts = list(zip(*split.texts, strict=True)) if asked.pair else split.texts[0]
    with Rows(f"predicting {task}", total=len(texts)) as rows:
        predictions = model.predict(task, texts, progressed=rows.done)
    escaped = visible if sys.stdout.isatty() else str  # a file or a program gets the label as it is
    for row, prediction in zip(split.ids, predictions, strict=True):
        if as_json:
            print_json({"id": row, "prediction": prediction}, on_one_line=True)
        else:
            click.echo(escaped(prediction) if isinstance(prediction, str) else f"{prediction:.4f}")
