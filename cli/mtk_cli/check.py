"""`mtk check`: whether the components of a package keep the promises of their contracts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mtk import MtkError, UsageError
from mtk.errors import nearest

if TYPE_CHECKING:
    from mtk.host.component import Component
    from mtk.host.registry import Registry
    from mtk.host.spec import Spec

OK, BROKEN, UNKNOWN = "ok", "broken", "not checked"
EXIT = {OK: 0, BROKEN: 1, UNKNOWN: 2}


@click.command("check")
@click.argument("package")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_context
def command(ctx: click.Context, package: str, as_json: bool) -> None:
    """Check that a package's heads, combiners and augmenters do what mtk asks of them.

    PACKAGE is the name of a package or of a plugin, or a component: NAME, package/NAME, NAME:key=value. The exit status is
    1 if a promise is broken, and 2 if something could not be checked.
    """
    from mtk.host.registry import Registry
    from mtk.host.spec import Spec
    from mtk_cli.output import print_json, stdout, table

    spec = Spec.parse(package)
    registry = Registry()
    found = [row for component in named(registry, spec) for row in rows(component, spec)]
    found += broken_plugins(registry, spec.name)
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
                console.print(f"\n{row['kind']} {row['name']}, {row['check']}: {row['message']}", soft_wrap=True)
    statuses = {row["status"] for row in found}
    ctx.exit(EXIT[next(status for status in (BROKEN, UNKNOWN, OK) if status in statuses)])


def named(registry: Registry, spec: Spec) -> list[Component]:
    """The components that a package, a plugin or a component's own name means; with options, a component's alone. Raises
    UsageError if there is nothing to check and nothing broken."""
    from importlib.metadata import PackageNotFoundError, distribution

    name = spec.name
    ours = [c for c in registry.components if c.kind in ("head", "combiner", "augmenter")]
    groups = ("name", "qualified") if spec.options else ("package", "plugin", "name", "qualified")
    found = [c for c in ours if name in (getattr(c, group) for group in groups)]
    if found or broken_plugins(registry, name):
        return found
    try:
        distribution(name)
    except PackageNotFoundError:
        known = {known for c in ours for known in (c.package, c.plugin, c.name)}
        raise UsageError(f"There is no package, plugin or component '{name}'. {nearest(name, known)}") from None
    raise UsageError(
        f"The package '{name}' brings no head, combiner or augmenter. Has it an entry point in the group 'mtk', and was it "
        f"installed again after that was added?"
    )


def rows(component: Component, spec: Spec) -> Iterator[dict[str, str]]:
    """What each check of a component came to."""
    from mtk.host.options import options, read_options
    from mtk.host.spec import Spec
    from mtk.testing import BrokenPromise, checks

    def row(check: str, status: str, promise: str = "", message: str = "") -> dict[str, str]:
        origin = {"kind": component.kind, "name": component.name, "package": component.package}
        return {**origin, "check": check, "status": status, "promise": promise, "message": message}

    try:
        cls = component.load()
    except MtkError as error:
        yield row("import", BROKEN, message=str(error))
        return
    try:
        found = checks(cls, **read_options(options(cls), Spec(component.name, spec.options)))
    except MtkError as error:
        yield row("options", UNKNOWN, message=str(error))
        return
    for check in found:
        try:
            check()
        except BrokenPromise as error:
            yield row(check.name, BROKEN, check.promise, str(error))
        except MtkError as error:
            yield row(check.name, UNKNOWN, check.promise, str(error))
            return  # the component cannot be had, and the other checks would only say so again
        else:
            yield row(check.name, OK, check.promise)


def broken_plugins(registry: Registry, name: str) -> list[dict[str, str]]:
    """The plugins of that name, or of that package, which could not even register."""
    return [
        {
            "kind": "plugin",
            "name": broken.plugin,
            "package": broken.package,
            "check": "registration",
            "status": BROKEN,
            "promise": "The package registers what it brings.",
            "message": broken.reason,
        }
        for broken in registry.broken
        if name in (broken.package, broken.plugin)
    ]
