"""`mtk augment`: a file enlarged by an augmenter, to look at it or to train elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from mtk.file_form import FileForm
from mtk_cli.completion import parts
from mtk_cli.escape import say
from mtk_cli.file_form import form_options


@click.command("augment")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--with",
    "spec",
    required=True,
    metavar="SPEC",
    shell_complete=parts("augmenter"),
    help="NAME:key=value,…,copies=N; see `mtk list`.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--column", "columns", multiple=True, help="A column to change; give it again for another.")
@click.option("--label", help="The column of the label, for an augmenter of whole examples.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed writes the same file.")
@form_options
def command(
    file: Path, spec: str, out: Path, columns: tuple[str, ...], label: str | None, seed: int, form: FileForm
) -> None:
    """Write a file with changed copies of its rows."""
    from mtk.data.augmented_file import augment_file
    from mtk.host.registry import Registry

    part = Registry().part("augmenter", spec)
    augmenter = part.build()
    copies = part.framework["copies"] or augmenter.copies
    read, written = augment_file(file, out, augmenter, copies, seed, columns or None, form, label)
    say(f"{out}: {written:,} rows from {read:,} of {file}")
