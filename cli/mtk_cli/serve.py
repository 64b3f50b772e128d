"""`mtk serve`: a finished run behind HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from mtk.config import Precision
from mtk_cli.completion import runs
from mtk_cli.escape import say
from mtk_cli.settings import value

COUNT = click.IntRange(min=1)


@click.command("serve")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens; 0.0.0.0 for every address.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for a free one.")
@click.option("--device", type=value("device"), default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", type=value("precision"), metavar="auto|fp32|bf16|fp16", help="As in the run unless given.")
@click.option("--batch", type=COUNT, default=64, show_default=True, help="Texts that are computed at once.")
@click.option("--max-texts", type=COUNT, default=256, show_default=True, help="Texts in a request.")
@click.option("--max-bytes", type=COUNT, default=1_000_000, show_default=True, help="Bytes of a request.")
@click.option("--max-waiting", type=COUNT, default=4096, show_default=True, help="Texts that wait; then it answers 503.")
def command(
    run: Path,
    host: str,
    port: int,
    device: str,
    precision: Precision | None,
    batch: int,
    max_texts: int,
    max_bytes: int,
    max_waiting: int,
) -> None:
    """Serve the model in the directory RUN over HTTP.

    POST /predict with {"texts": ["A text."]} answers every task that takes such texts, or those in "tasks"; a pair is a
    list of two; "probabilities": true adds them. GET /tasks and GET /health. Requests that wait are computed together.
    SIGTERM and Ctrl-C end it after the requests that are there.
    """
    import mtk
    from mtk.serving.server import serve, server

    model = mtk.load(run, device=device, precision=precision)
    limits = {"batch": batch, "texts": max_texts, "bytes": max_bytes, "waiting": max_waiting}
    made = server(model, host, port, **limits)
    serve(made, lambda address: say(f"serving {', '.join(model.tasks)} at {address}"))
