"""`mtk eval`: the metrics of a finished run on a split."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from mtk.config import Precision
from mtk.file_form import FileForm
from mtk_cli.completion import parts, runs
from mtk_cli.file_form import form_options, label_options
from mtk_cli.json_output import json_option, print_json
from mtk_cli.settings import value


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.option(
    "--data", metavar="NAME|DIR", shell_complete=parts("tasks", or_directory=True), help="Other data than the run's own."
)
@click.option("--split", default="dev", show_default=True, metavar="NAME", help="dev, test or train; or dev-NAME.")
@click.option("--device", type=value("device"), default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", type=value("precision"), metavar="auto|fp32|bf16|fp16", help="As in the run unless given.")
@click.option("--bad-rows", type=value("bad_rows"), metavar="error|skip", help="As in the run unless given.")
@label_options
@form_options
@json_option("Print one JSON object.")
def command(
    run: Path,
    data: str | None,
    split: str,
    device: str,
    precision: Precision | None,
    bad_rows: Literal["error", "skip"] | None,
    form: FileForm,
    as_json: bool,
) -> None:
    """Evaluate the model in the directory RUN."""
    from mtk.metrics import average
    from mtk.pipeline import evaluate
    from mtk_cli.console import Rows
    from mtk_cli.output import scores, stdout

    with Rows(f"evaluating {split}", is_shown=not as_json) as rows:
        metrics = evaluate(
            run,
            data=data,
            split=split,
            device=device,
            precision=precision,
            bad_rows=bad_rows,
            progress=rows.done,
            form=form,
        )
    if as_json:
        print_json({"run": str(run), "split": split, "metrics": metrics, "average": average(metrics)})
        return
    console = stdout()
    console.say(f"{split}: average {average(metrics):.4f}", "bold")
    console.print(scores(metrics))
