"""`mtk tasks`: a tasks.toml to start from, as the files of a directory look."""

from __future__ import annotations

from pathlib import Path

import click

from mtk import UsageError
from mtk_cli.escape import say


@click.command("tasks")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Write DIRECTORY/tasks.toml, which must not be there yet.")
def command(directory: Path, write: bool) -> None:
    """Look at the files of a directory, and print a tasks.toml for them.

    What is guessed stands in it as comments: which files belong together, by their names; texts by their length; the kind
    by the labels; separators, quotes and a header by what the first rows make sense with.
    """
    from mtk.data.guess import guess_tasks
    from mtk.files import write_file

    if not directory.is_dir():
        raise UsageError(f"{directory} is no directory. Name the one that the data files are in.")
    path = directory / "tasks.toml"
    if write and path.exists():
        raise UsageError(f"{path} exists already. Without --write what it could be is printed.")
    guesses, passed = guess_tasks(directory)
    for line in passed:
        say(line, err=True)
    content = "\n".join(guess.toml() for guess in guesses)
    if not write:
        say(content.rstrip("\n"))
        return
    write_file(path, content.encode())
    say(f"{path}: {', '.join(guess.name for guess in guesses)}. Look at what was guessed: it stands there as comments.")
