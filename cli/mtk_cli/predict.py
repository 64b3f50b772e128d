"""`mtk predict`: a finished run's answer to each row of a file or of standard input."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtk import UsageError
from mtk.config import Precision
from mtk.errors import nearest
from mtk.file_form import FileForm
from mtk_cli import predicted
from mtk_cli.completion import runs, tasks_of_run
from mtk_cli.escape import say, visible
from mtk_cli.file_form import form_options
from mtk_cli.json_output import json_option, print_json
from mtk_cli.settings import value

if TYPE_CHECKING:
    from mtk.data.split import Split
    from mtk.model.multitask import Model
    from mtk.model.windows import Answered
    from mtk.task import Task


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.argument("task", metavar="TASK[,TASK…]", shell_complete=tasks_of_run)
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--probabilities", is_flag=True, help="The probability of each label too; prints CSV.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to a new file: .csv, .tsv, .jsonl, .parquet.")
@click.option("--device", type=value("device"), default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", type=value("precision"), metavar="auto|fp32|bf16|fp16", help="As in the run unless given.")
@click.option("--encoder", type=click.Path(path_type=Path), help="The .onnx that mtk export wrote of this run; on a CPU.")
@click.option("--text", "texts", multiple=True, metavar="COLUMN", help="The column of the text; twice for a pair.")
@click.option("--id", "identity", metavar="COLUMN", help="The column of the ids.")
@form_options
@json_option("Print a JSON object a line, with the id.")
def command(
    run: Path,
    task: str,
    file: Path,
    probabilities: bool,
    out: Path | None,
    device: str,
    precision: Precision | None,
    encoder: Path | None,
    texts: tuple[str, ...],
    identity: str | None,
    form: FileForm,
    as_json: bool,
) -> None:
    """Predict a task for each text of a file, or several tasks in one pass.

    The model is that of the directory RUN. TASK is one of its tasks, or several with commas between; what they read alike is
    encoded once. FILE is a table or JSON with the task's columns (.csv, .tsv, .jsonl, .json, .parquet; also packed, as .gz),
    or text (.txt) with an example a line and a tab between the texts of a pair; standard input is such text.

    A prediction a line is printed, in the order of the rows; --out, --json, --probabilities and several tasks add the ids.
    Some thousands of rows are read, predicted and written at a time, so that a file may have any length.
    """
    from mtk.model.windows import answered
    from mtk_cli.console import Rows

    if out is not None:
        predicted.check_out(out)
    model = _load(run, device, precision, encoder)
    tasks = [_in_columns(model.tasks[name], texts, identity) for name in _names(task, run, model)]
    as_json = as_json or (out is not None and out.suffix.lower() in predicted.JSON)
    _check(tasks, probabilities=probabilities, as_json=as_json)
    # Where the answers appear on the terminal, they show themselves how far it is.
    is_shown = out is not None or not sys.stdout.isatty()
    with Rows(f"predicting {', '.join(t.name for t in tasks)}", is_shown=is_shown) as rows:
        windows = answered(model, _windows(tasks, file, form), probabilities=probabilities, progressed=rows.done)
        said = _saying(windows, rows.done)
        if out is not None:
            predicted.write(said, tasks, out, probabilities=probabilities)
        elif as_json:
            for record in predicted.records(said, tasks):
                print_json(record, on_one_line=True)
        elif probabilities or len(tasks) > 1:
            for piece in predicted.table(said, tasks, probabilities):
                click.echo(piece, nl=False)
        else:
            escaped = visible if sys.stdout.isatty() else str  # a file or a program gets the label as it is
            for line in predicted.lines(said, tasks[0]):
                click.echo(escaped(line))


def _load(run: Path, device: str, precision: Precision | None, encoder: Path | None) -> Model:
    import mtk

    if encoder is None:
        return mtk.load(run, device=device, precision=precision)
    if device not in ("auto", "cpu") or precision not in (None, "auto", "fp32"):
        raise UsageError(
            "--encoder computes on a CPU, in the precision of the file: it goes with no --device or --precision."
        )
    from mtk.export.onnx_encoder import on_onnx

    return on_onnx(mtk.load(run, device="cpu", precision="fp32"), encoder)


def _names(asked: str, run: Path, model: Model) -> list[str]:
    """The tasks that are asked for, in their order."""
    names = list(dict.fromkeys(asked.split(",")))
    for name in names:
        if name not in model.tasks:
            raise UsageError(f"{run} has no task '{name}'. {nearest(name, model.tasks)}")
    return names


def _in_columns(task: Task, texts: tuple[str, ...], identity: str | None) -> Task:
    """The task, of a file whose columns have other names."""
    import msgspec

    if texts and len(texts) != len(task.text):
        raise UsageError(f"--text: task '{task.name}' is of {len(task.text)} texts, and {len(texts)} columns are named.")
    return msgspec.structs.replace(task, text=texts or task.text, id=identity or task.id)


def _check(tasks: Sequence[Task], *, probabilities: bool, as_json: bool) -> None:
    """Raises UsageError for tasks that do not go together, and for what they cannot say."""
    first = tasks[0]
    for task in tasks:
        if (task.pair, task.kind.candidates) != (first.pair, first.kind.candidates):
            raise UsageError(
                f"Tasks '{first.name}' and '{task.name}' take other rows: single texts, pairs and candidates do not go "
                f"together. Predict them one after the other."
            )
        if probabilities and not as_json and task.has_probabilities and (task.kind.level == "token" or task.kind.candidates):
            raise UsageError(
                f"--probabilities: those of {task.kind} are no table. --json prints them, --out FILE.jsonl too."
            )
    if probabilities and not any(task.has_probabilities for task in tasks):
        if len(tasks) == 1:
            raise UsageError(f"--probabilities: task '{first.name}' predicts a score, which has none.")
        raise UsageError(f"--probabilities: {', '.join(task.name for task in tasks)} predict scores, which have none.")


def _windows(tasks: Sequence[Task], file: Path, form: FileForm) -> Iterator[dict[str, Split]]:
    """The rows of each task, a window at a time. Tasks that read the same columns share them; others read the file beside
    them, in step."""
    from mtk.data.reading import windows_of_lines, windows_of_texts
    from mtk.data.text_files import decoded

    sharing: dict[Any, list[Task]] = {}
    for task in tasks:
        reads = (task.text, task.id, task.group, task.kind.level, task.kind.candidates, task.form.over(FileForm(map={})))
        sharing.setdefault(repr(reads), []).append(task)
    readers = [sharers[0] for sharers in sharing.values()]
    if str(file) == "-":
        lines = tee(decoded(sys.stdin.buffer, form.encoding), len(readers))
        name = Path("standard input")
        streams = [windows_of_lines(own, task, name, form) for own, task in zip(lines, readers, strict=True)]
    else:
        streams = [windows_of_texts(file, task, form) for task in readers]
    for window in zip(*streams, strict=True):
        read = dict(zip(sharing, window, strict=True))
        found = {task.name: read[key] for key, sharers in sharing.items() for task in sharers}
        yield {task.name: found[task.name] for task in tasks}


def _saying(windows: Iterable[Answered], all_done: Callable[[int, int], object]) -> Iterator[Answered]:
    """The same, whose notes are told: the first of each sort, and of how many windows more there is one, at the end, when
    `all_done` hears how many rows there were."""
    first, again, rows = dict[str, str](), Counter[str](), 0
    for window in windows:
        rows += len(window.ids)
        for note in window.notes:
            sort = re.sub(r"[\d.,%]+", "", note.partition(", such as")[0])
            if sort not in first:
                first[sort] = note
                say(f"warning: {note}", err=True)
            else:
                again[sort] += 1
        yield window
    all_done(rows, rows)
    for sort, count in again.items():
        more = f"{count:,} more window{'' if count == 1 else 's'} of rows"
        say(f"warning: the same of {more} as of the first: {first[sort]}", err=True)
