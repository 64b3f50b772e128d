"""`mtk check`: whether the components of a package keep the promises of their contracts."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtk import MtkError, UsageError
from mtk.errors import BrokenPartError, in_words, nearest
from mtk.files import is_directory
from mtk_cli.completion import any_part
from mtk_cli.escape import say
from mtk_cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from mtk.host.component import Component
    from mtk.host.part import Part
    from mtk.host.registry import Registry
    from mtk.host.spec import Spec

OK, SLOW, BROKEN, UNKNOWN = "ok", "slow", "broken", "not checked"
UNCHECKED = ("tasks", "encoder", "command")  # which are data, and what a user sees
EXIT = {OK: 0, SLOW: 0, BROKEN: 1, UNKNOWN: 2}


@click.command("check")
@click.argument("package", shell_complete=any_part)
@json_option("Print a JSON list.")
@click.pass_context
def command(ctx: click.Context, package: str, as_json: bool) -> None:
    """Check that the parts that a package brings do what mtk asks of them: all but tasks, encoders and commands.

    PACKAGE is the name of a package or of a plugin, the directory of one that is installed, or a component: NAME,
    package/NAME, NAME:key=value. The exit status is 1 if a promise is broken, and 2 if something could not be checked.
    """
    from mtk.host.registry import Registry
    from mtk.host.spec import Spec
    from mtk_cli.output import stdout, table

    registry = Registry()
    project = project_in(Path(package), registry)
    spec = Spec(project) if project else Spec.parse(package)
    components = named(registry, spec)
    found = [row for component in components for row in rows(component, spec)]
    found += plugins(registry, spec.name, components)
    if as_json:
        print_json(found)
    else:
        console = stdout()
        overview = table("kind", "name", "check", "status")
        for row in found:
            overview.add_row(row["kind"], row["name"], row["check"], row["status"])
        console.print(overview)
        for row in found:
            if row["message"]:
                console.say(f"\n{row['kind']} {row['name']}, {row['check']}: {row['message']}")
    statuses = {row["status"] for row in found}
    ctx.exit(EXIT[next(status for status in (BROKEN, UNKNOWN, SLOW, OK) if status in statuses)])


def named(registry: Registry, spec: Spec) -> list[Component]:
    """The components that a package, a plugin or a component's own name means; with options, a component's alone. Raises
    UsageError if there is nothing to check and nothing broken."""
    from mtk.host.spec import Spec

    name = spec.name
    ours = [c for c in registry.components if c.kind not in UNCHECKED]
    groups = ("name", "qualified") if spec.options else ("package", "plugin", "name", "qualified")
    found = [c for c in ours if name in (getattr(c, group) for group in groups)]
    if found or plugins(registry, name, found):
        return found
    package = installed_as(name)
    if package not in (None, name):  # mtk_clinic for mtk-clinic, which pip takes too
        return named(registry, Spec(str(package), spec.options))
    if package is None:
        known = {known for c in ours for known in (c.package, c.plugin, c.name)}
        raise UsageError(f"There is no package, plugin or component '{name}'. {nearest(name, known)}")
    raise UsageError(
        f"The package '{name}' brings no part that could be checked. Has it an entry point in the group 'mtk', and was it "
        f"installed again after that was added?"
    )


def rows(component: Component, spec: Spec) -> Iterator[dict[str, str]]:
    """What each check of a component came to."""
    from mtk.host.containment import contained
    from mtk.host.part import Part
    from mtk.host.spec import Spec
    from mtk.testing import BrokenPromise, checks

    def row(check: str, status: str, promise: str = "", message: str = "") -> dict[str, str]:
        origin = {"kind": component.kind, "name": component.name, "package": component.package}
        return {**origin, "check": check, "status": status, "promise": promise, "message": message}

    try:
        component.load()
    except MtkError as error:
        yield row("import", BROKEN, message=str(error))
        return
    try:
        part = Part.read(component, Spec(component.name, spec.options), {})
        with contained():
            reason = unbuilt(part)
            found = [] if reason else checks(part.cls, **part.options)  # each would only say so again
    except MtkError as error:
        yield row("options", UNKNOWN, message=str(error))
        return
    if reason:
        yield row("constructor", BROKEN, "It can be built.", reason)
    for check in found:
        try:
            with contained():  # os._exit would end the command, and say nothing
                check()
        except BrokenPromise as error:
            yield row(check.name, BROKEN, check.promise, str(error))
        except MtkError as error:
            yield row(check.name, UNKNOWN, check.promise, str(error))
            return  # the component cannot be had, and the other checks would only say so again
        else:
            yield row(check.name, OK, check.promise)


def unbuilt(part: Part) -> str | None:
    """Why it cannot be built, as a run would for a task of pairs; None if it can, or declines that."""
    from mtk.model.multitask import inputs_of
    from mtk.testing.tasks import kind_of, task_of

    offered: dict[str, Any] = {}
    if part.component.kind == "head":
        pair = part.cls.level == "text"  # type: ignore[attr-defined]
        task = task_of(kind_of("classification" if pair else "tokens", ("a", "b", "c")), pair=pair)
        inputs = inputs_of(part.cls.pair_encoding, task.pair)  # type: ignore[attr-defined]
        offered = {"width": 8, "outputs": 3, "inputs": inputs, "task": task}
    elif part.component.kind == "kind":
        offered = {"labels": ("a", "b", "c"), "range": (0.0, 1.0)}
    elif part.component.kind == "combiner":
        offered = {"tasks": ["a", "b", "c"]}
    elif part.component.kind == "pooling":
        offered = {"width": 8}
    elif part.component.kind in ("optimizer", "stage"):
        return None  # the checks build it of what it needs
    try:
        part.build(**offered)
    except BrokenPartError as error:
        return str(error)
    except MtkError:  # a value that makes no sense to it, or something that is not installed: the checks say so
        pass
    return None


def plugins(registry: Registry, name: str, components: list[Component]) -> list[dict[str, str]]:
    """What there is to say of the plugins of that name or of that package, and of those that bring the components: that one
    could not even register, or takes its time."""

    def row(package: str, plugin: str, status: str, promise: str, message: str) -> dict[str, str]:
        named = {"kind": "plugin", "name": plugin, "package": package, "check": "registration"}
        return {**named, "status": status, "promise": promise, "message": message}

    asked = {(c.package, c.plugin) for c in components}
    return [
        row(broken.package, broken.plugin, BROKEN, "The package registers what it brings.", broken.reason)
        for broken in registry.broken
        if name in (broken.package, broken.plugin)
    ] + [
        row(package, plugin, SLOW, "No command waits for it.", message)
        for (package, plugin), message in registry.slow().items()
        if name in (package, plugin) or (package, plugin) in asked
    ]


def project_in(path: Path, registry: Registry) -> str | None:
    """The installed package whose project is in a directory, or has this `pyproject.toml`; None where the path is neither,
    or is a name that is known. Raises UsageError where the package is not installed, or the directory holds none."""
    text = str(path)
    directory = path.parent if path.name == "pyproject.toml" else path
    if not is_directory(directory) or any(text in (c.package, c.plugin, c.name, c.qualified) for c in registry.components):
        return None
    file = directory / "pyproject.toml"
    try:
        name = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = "it has no name of a project" if isinstance(error, KeyError | TypeError) else in_words(error)
        raise UsageError(f"{file} does not say which package is in {directory}: {reason}") from None
    installing = f"pip install -e {shlex.quote(str(directory))}"
    installed = installed_as(name)
    if installed is None:
        raise UsageError(f"The package '{name}' in {directory} is not installed: {installing}, and then mtk check {name}")
    if not is_editable(installed, directory):
        say(f"note: {installed} is checked as it was installed, not as it is in {directory}: {installing}", err=True)
    return installed


def installed_as(name: str) -> str | None:
    """The name of an installed package as it writes it itself, or None."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return str(distribution(name).metadata["Name"])
    except (PackageNotFoundError, ValueError):
        return None


def is_editable(package: str, directory: Path) -> bool:
    """Whether an installed package is what is in the directory now, as `pip install -e` leaves it."""
    from importlib.metadata import distribution

    origin = json.loads(distribution(package).read_text("direct_url.json") or "{}")
    is_it = origin.get("url") == directory.resolve().as_uri()
    return is_it and bool(origin.get("dir_info", {}).get("editable"))
