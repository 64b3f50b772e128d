"""`mtk new`: a package with a part that works, to make one's own.

`templates` holds such a package, called mtk-newcomer: files that are what they look like, so that they are read, linted and
compiled as any other. `common` goes into every package, and the folders that `KINDS` names beside it. Where two of them have
the same file, the later one is the package's, except for a README, which goes on with that of `common`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from mtk import UsageError
from mtk_cli.escape import say

TEMPLATES = Path(__file__).parent / "templates"


class Template(NamedTuple):
    """One kind of part that a package may bring."""

    help: str  # of its flag
    use: tuple[str, ...]  # what its author does with it, once it is installed
    folders: tuple[str, ...]  # of `templates`, beside `common`


CHECK, TEST = "mtk check mtk-newcomer", "pytest PACKAGE"

# A further kind is one line here, and a folder.
KINDS = {
    "head": Template("A head.", (CHECK, "mtk run --head newcomer"), ("checked", "head")),
    "combiner": Template("A combiner of gradients.", (CHECK, "mtk run --combiner newcomer"), ("checked", "combiner")),
    "augmenter": Template("An augmenter of training text.", (CHECK, "mtk run --augment newcomer"), ("checked", "augmenter")),
    "kind": Template("A kind of task.", (CHECK, "mtk show newcomer"), ("checked", "kind")),
    "sampler": Template("A sampler of tasks.", (CHECK, "mtk run --sampler newcomer"), ("checked", "sampler")),
    "optimizer": Template("An optimizer of the weights.", (CHECK, "mtk run --optimizer newcomer"), ("checked", "optimizer")),
    "schedule": Template("A schedule of the rates.", (CHECK, "mtk run --schedule newcomer"), ("checked", "schedule")),
    "pooling": Template("A pooling of token states.", (CHECK, "mtk run --pooling newcomer"), ("checked", "pooling")),
    "stage": Template("A stage before training.", (CHECK, "mtk run --stage newcomer"), ("checked", "stage")),
    "tasks": Template("A task set: a folder of data.", (TEST, "mtk run --data newcomer"), ("tasks",)),
    "encoder": Template("An encoder: a folder, or an id of the hub.", (TEST, "mtk run --encoder newcomer"), ("encoder",)),
    "listener": Template("A listener of runs.", (CHECK, "mtk run --listen newcomer"), ("checked", "listener")),
    "command": Template("A command of mtk.", (TEST, "mtk newcomer --help"), ("command",)),
}


def _choices(command: Callable[..., None]) -> Callable[..., None]:
    """A flag for each kind, in their order."""
    for kind, template in reversed(KINDS.items()):
        command = click.option(f"--{kind}", is_flag=True, help=template.help)(command)
    return command


@click.command("new")
@click.argument("name")
@_choices
@click.option("--out", type=click.Path(path_type=Path), help="The package's directory; mtk-NAME unless given.")
def command(name: str, out: Path | None, **flags: bool) -> None:
    """Begin a plugin: a package with a part that works.

    NAME is what users will write, such as `bilinear` or `equal-length`; the package is called mtk-NAME.
    """
    from mtk.host.component import NOUNS

    kinds = [kind for kind, is_asked in flags.items() if is_asked]
    if len(kinds) != 1:
        *others, last = (f"--{kind}" for kind in KINDS)
        raise UsageError(f"Say what the package brings: one of {', '.join(others)} and {last}.")
    (kind,) = kinds
    _check_name(kind, name)
    package = Path(f"mtk-{name}") if out is None else out
    files = write(kind, name, package)
    editable = shlex.quote(f"{package}[test]")
    say(f"{package} brings the {NOUNS.get(kind, kind)} '{name}':")
    say("".join(f"    {file}\n" for file in files))
    say("Next (the first with --no-build-isolation where there is no network):")
    for line in (f"pip install -e {editable}", *KINDS[kind].use):
        say(f"    {filled_in(line, name).replace('PACKAGE', shlex.quote(str(package)))}")


def write(kind: str, name: str, package: Path) -> list[str]:
    """Write a package to a directory that is not there yet, all of it or nothing; its files, in order."""
    if package.exists():
        raise UsageError(f"{package} exists already. Choose another name or --out, or remove it first.")
    try:
        package.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{package.name}-", dir=package.parent) as beside:
            written = Path(beside) / "package"
            for path, text in templates(kind).items():
                file = written / filled_in(path, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(filled_in(text, name), encoding="utf-8")
            written.rename(package)
    except OSError as error:
        raise UsageError(f"{package} cannot be written: {error.strerror}.") from None
    return sorted(file.relative_to(package).as_posix() for file in package.rglob("*") if file.is_file())


def templates(kind: str) -> dict[str, str]:
    """The files of a package: each one's place in it, and its text."""
    files: dict[str, str] = {}
    for folder in (TEMPLATES / "common", *(TEMPLATES / name for name in KINDS[kind].folders)):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:  # an installer compiles what it installs
                path, text = file.relative_to(folder).as_posix(), file.read_text(encoding="utf-8")
                files[path] = text + files.get(path, "") if path == "README.md" else text
    return files


def filled_in(text: str, name: str) -> str:
    """A template's text, or path, with the newcomer's own name in all its spellings."""
    spellings = {
        "mtk_newcomer": _module(name),
        "newcomer": name,
        "Newcomer": "".join(part.capitalize() for part in name.split("-")),
        "multitask-toolkit>=0": f"multitask-toolkit{_compatible(version('multitask-toolkit'))}",
    }
    return re.sub("|".join(spellings), lambda found: spellings[found[0]], text)


def _check_name(kind: str, name: str) -> None:
    """Raises UsageError for a name that cannot be a package's, or that would hide what is installed."""
    from mtk.host.component import NOUNS
    from mtk.host.registry import PACKAGE, Registry

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"'{name}' cannot name a package: write lower-case words of letters and digits with a hyphen between them, "
            f"such as equal-length."
        )
    owners = {c.name: c.package for c in Registry().components if c.kind == kind}
    toolkit = click.get_current_context().find_root().command
    if kind == "command" and isinstance(toolkit, click.Group):
        owners |= dict.fromkeys(toolkit.commands, PACKAGE)
    if name in owners:
        raise UsageError(f"There is a {NOUNS.get(kind, kind)} '{name}' already, of {owners[name]}. Choose another name.")
    if find_spec(_module(name)) is not None:
        raise UsageError(f"There is a module '{_module(name)}' already, which the package would hide. Choose another name.")


def _module(name: str) -> str:
    return f"mtk_{name.replace('-', '_')}"


def _compatible(release: str) -> str:
    """The releases that keep the contracts of this one: up to the next minor version, from 1.0 on to the next major."""
    major, minor = map(int, release.split(".")[:2])
    return f">={major}.{minor},<" + (f"0.{minor + 1}" if major == 0 else f"{major + 1}")
