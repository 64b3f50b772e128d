"""`mtk predict`: a finished run's answer to each row of a file or of standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtk import UsageError
from mtk.config import Precision
from mtk.errors import nearest
from mtk.file_form import FileForm
from mtk_cli.completion import runs, tasks_of_run
from mtk_cli.escape import say, visible
from mtk_cli.file_form import form_options
from mtk_cli.json_output import json_option, print_json
from mtk_cli.settings import value

if TYPE_CHECKING:
    from torch import Tensor

    from mtk.task import Task


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.argument("task", shell_complete=tasks_of_run)
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--probabilities", is_flag=True, help="The probability of each label too; prints CSV.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to a new file: .csv, or .jsonl for JSON Lines.")
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
    """Predict a task for each text of a file.

    The model is that of the directory RUN. FILE is a table or JSON with the task's columns (.csv, .tsv, .jsonl, .json,
    .parquet; also packed, as .gz), or text (.txt) with an example a line and a tab between the texts of a pair; standard
    input is such text. A prediction a line is printed, in the order of the rows; --out, --json and --probabilities add the
    ids.
    """
    import mtk
    from mtk.data.reading import parse_stream, read_texts
    from mtk_cli.console import Rows

    if out is not None:
        _check_out(out)
    if encoder is None:
        model = mtk.load(run, device=device, precision=precision)
    elif device in ("auto", "cpu") and precision in (None, "auto", "fp32"):
        from mtk.export.onnx_encoder import on_onnx

        model = on_onnx(mtk.load(run, device="cpu", precision="fp32"), encoder)
    else:
        raise UsageError(
            "--encoder computes on a CPU, in the precision of the file: it goes with no --device or --precision."
        )
    if task not in model.tasks:
        raise UsageError(f"{run} has no task '{task}'. {nearest(task, model.tasks)}")
    asked = _in_columns(model.tasks[task], texts, identity)
    if probabilities and not asked.has_probabilities:
        raise UsageError(f"--probabilities: task '{task}' predicts a score, which has none.")
    as_json = as_json or (out is not None and out.suffix.lower() in (".jsonl", ".json"))
    if probabilities and not as_json and (asked.kind.level == "token" or asked.kind.candidates):
        raise UsageError(f"--probabilities: those of {asked.kind} are no table. --json prints them, --out FILE.jsonl too.")
    if str(file) == "-":
        split = parse_stream(sys.stdin.buffer, asked, Path("standard input"), form)
    else:
        split = read_texts(file, asked, form)
    tokens = model.tokenize(task, split)
    for note in (*split.notes, *tokens.remarks()):
        say(f"warning: {note}", err=True)
    with Rows(f"predicting {task}", total=len(split)) as rows:
        likely: Tensor | None = None
        if probabilities:
            predicted, likely = model.probabilities_of_split(task, tokens, progressed=rows.done)
        else:
            predicted = model.predict_split(task, tokens, progressed=rows.done)
    records = list(_records(asked, split.ids, predicted, likely))
    _tell(asked, records, out, as_json=as_json, probabilities=probabilities)


def _tell(task: Task, records: list[dict[str, Any]], out: Path | None, *, as_json: bool, probabilities: bool) -> None:
    """Write the records to a file, or print them: as JSON Lines, as CSV where there are probabilities, or else the
    predictions alone."""
    from mtk.files import write_file
    from mtk.model.multitask import written

    if out is not None:
        write_file(out, b"".join(map(_line, records)) if as_json else _csv(task, records, probabilities).encode())
    elif as_json:
        for record in records:
            print_json(record, on_one_line=True)
    elif probabilities:
        click.echo(_csv(task, records, probabilities), nl=False)
    else:
        escaped = visible if sys.stdout.isatty() else str  # a file or a program gets the label as it is
        predictions = [record["prediction"] for record in records]
        for value, text in zip(predictions, written(task.kind, predictions), strict=True):
            click.echo(f"{value:.4f}" if isinstance(value, float) else escaped(text))


def _in_columns(task: Task, texts: tuple[str, ...], identity: str | None) -> Task:
    """The task, of a file whose columns have other names."""
    import msgspec

    if texts and len(texts) != len(task.text):
        raise UsageError(f"--text: task '{task.name}' is of {len(task.text)} texts, and {len(texts)} columns are named.")
    return msgspec.structs.replace(task, text=texts or task.text, id=identity or task.id)


def _records(task: Task, ids: list[str], predicted: Tensor, likely: Tensor | None) -> Iterator[dict[str, Any]]:
    """What is said of each row: its id, its prediction, and the probability of each label where that is asked for."""
    from mtk.model.multitask import by_label, values

    for number, (row, prediction) in enumerate(zip(ids, values(task.kind, predicted), strict=True)):
        record: dict[str, Any] = {"id": row, "prediction": prediction}
        if likely is not None:
            record["probabilities"] = by_label(task, likely[number].tolist())
        yield record


def _csv(task: Task, records: list[dict[str, Any]], probabilities: bool) -> str:
    from mtk.data.formats import csv_of
    from mtk.model.multitask import written

    header = ["id", "prediction", *(f"probability of {label}" for label in task.labels if probabilities)]
    cells = written(task.kind, (record["prediction"] for record in records))
    rows = zip(records, cells, strict=True)
    return csv_of(header, [[r["id"], cell, *r.get("probabilities", {}).values()] for r, cell in rows])


def _line(record: dict[str, Any]) -> bytes:
    import msgspec

    return msgspec.json.encode(record) + b"\n"


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in (".csv", ".jsonl", ".json"):
        raise UsageError(f"--out {out}: predictions are written as .csv or as .jsonl; let its name end so.")
    if out.exists():
        raise UsageError(f"--out {out} exists already. Delete it, or write to another file.")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no directory {out.parent}.")
