"""`mtk new`: a package with a part that works, to make one's own.

`templates` holds such a package, called mtk-newcomer: files that are what they look like, so that they are read, linted and
compiled as any other. `common` goes into every package, and the folder of a kind beside it.
"""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from mtk import UsageError

TEMPLATES = Path(__file__).parent / "templates"
FLAGS = {"head": "--head", "combiner": "--combiner", "augmenter": "--augment"}  # of `mtk run`


@click.command("new")
@click.argument("name")
@click.option("--head", is_flag=True, help="A head.")
@click.option("--combiner", is_flag=True, help="A combiner of gradients.")
@click.option("--augmenter", is_flag=True, help="An augmenter of training text.")
@click.option("--out", type=click.Path(path_type=Path), help="The package's directory; mtk-NAME unless given.")
def command(name: str, out: Path | None, **flags: bool) -> None:
    """Begin a plugin: a package with a part that works.

    NAME is what users will write, such as `bilinear` or `equal-length`; the package is called mtk-NAME.
    """
    kinds = [kind for kind, is_asked in flags.items() if is_asked]
    if len(kinds) != 1:
        raise UsageError("Say what the package brings: one of --head, --combiner and --augmenter.")
    (kind,) = kinds
    _check_name(kind, name)
    package = Path(f"mtk-{name}") if out is None else out
    files = write(kind, name, package)
    editable = shlex.quote(f"{package}[test]")
    click.echo(f"{package} brings the {kind} '{name}':")
    click.echo("".join(f"    {file}\n" for file in files))
    click.echo("Next:")
    for line in (f"pip install -e {editable}", f"mtk check mtk-{name}", f"mtk run {FLAGS[kind]} {name}"):
        click.echo(f"    {line}")


def write(kind: str, name: str, package: Path) -> list[str]:
    """Write a package to a directory that is not there yet, all of it or nothing; its files, in order."""
    if package.exists():
        raise UsageError(f"{package} exists already. Choose another name or --out, or remove it first.")
    try:
        package.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{package.name}-", dir=package.parent) as beside:
            written = Path(beside) / "package"
            for template, path in templates(kind):
                file = written / filled_in(path, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(filled_in(template.read_text(encoding="utf-8"), name), encoding="utf-8")
            written.rename(package)
    except OSError as error:
        raise UsageError(f"{package} cannot be written: {error.strerror}.") from None
    return sorted(file.relative_to(package).as_posix() for file in package.rglob("*") if file.is_file())


def templates(kind: str) -> list[tuple[Path, str]]:
    """The files of a package, and each one's place in it."""
    return [
        (file, file.relative_to(folder).as_posix())
        for folder in (TEMPLATES / "common", TEMPLATES / kind)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts  # an installer compiles what it installs
    ]


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
    from mtk.host.registry import Registry

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"'{name}' cannot name a package: write lower-case words of letters and digits with a hyphen between them, "
            f"such as equal-length."
        )
    for component in Registry().components:
        if (component.kind, component.name) == (kind, name):
            raise UsageError(f"There is a {kind} '{name}' already, of {component.package}. Choose another name.")
    if find_spec(_module(name)) is not None:
        raise UsageError(f"There is a module '{_module(name)}' already, which the package would hide. Choose another name.")


def _module(name: str) -> str:
    return f"mtk_{name.replace('-', '_')}"


def _compatible(release: str) -> str:
    """The releases that keep the contracts of this one: up to the next minor version, from 1.0 on to the next major."""
    major, minor = map(int, release.split(".")[:2])
    return f">={major}.{minor},<" + (f"0.{minor + 1}" if major == 0 else f"{major + 1}")
