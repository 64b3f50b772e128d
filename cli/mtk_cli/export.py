"""`mtk export`: the model of a run for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mtk_cli.completion import runs
from mtk_cli.escape import say

FORMATS = ("transformers", "sentence-transformers", "onnx")


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.option("--to", required=True, type=click.Choice(FORMATS), help="What shall open it.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The directory to write.")
@click.option("--task", "tasks", multiple=True, metavar="TASK", help="This task's head alone; again for another.")
@click.option("--int8", is_flag=True, help="With --to onnx: the encoder in 8 bits too, and what that costs.")
def command(run: Path, to: Any, out: Path, tasks: tuple[str, ...], int8: bool) -> None:
    """Write the model in the directory RUN for programs that have no mtk.

    transformers: a directory that AutoModel opens, with the heads and a loader. sentence-transformers: for each task a
    CrossEncoder, or a SentenceTransformer where its texts are read one by one. onnx: the encoder and each head, for
    onnxruntime.
    """
    from mtk.export.exporting import export
    from mtk_cli.console import Rows

    with Rows("measuring what 8 bits cost" if int8 else "writing") as rows:
        notes = export(run, to, out, tasks=tasks, int8=int8, progress=rows.done)
    for note in notes:
        say(note, err=True)
    say(f"{out}: for {to}; its README.md says how it is used")
