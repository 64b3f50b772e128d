"""`mtk push`: the model of a run to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mtk_cli.completion import runs
from mtk_cli.escape import say
from mtk_cli.export import FORMATS


@click.command("push")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=runs)
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--to", default="transformers", show_default=True, type=click.Choice(FORMATS), help="What shall open it.")
@click.option("--task", "tasks", multiple=True, metavar="TASK", help="This task's head alone; again for another.")
@click.option("--private", is_flag=True, help="Make a repository that only you, or its organization, can read.")
@click.option("--revision", metavar="BRANCH", help="Push to this branch, which is made if it is not there.")
def command(run: Path, repository: str, to: Any, tasks: tuple[str, ...], private: bool, revision: str | None) -> None:
    """Export the model in the directory RUN and push it to the repository OWNER/NAME of the hub.

    The repository is made if it is not there. With the model goes a model card made of the run: scores with intervals, data,
    recipe, conflict between the tasks, limits, licences. The token is that of HF_TOKEN or of `hf auth login`.
    """
    from mtk.export.publishing import push

    address, notes = push(run, repository, to=to, tasks=tasks, private=private, revision=revision)
    for note in notes:
        say(note, err=True)
    say(f"{address}: the model with its card; name its licence there")
