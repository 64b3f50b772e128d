"""`mtk list`: everything installed, where it came from, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from mtk.host.contracts import KINDS
from mtk_cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from mtk.host.component import Component
    from mtk.host.registry import Registry
    from mtk_cli.output import Listing


@click.command("list")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Of this kind; again for another.")
@click.option("--verbose", is_flag=True, help="Show each component's plugin, its class, and where the code or data lie.")
@json_option("Print a JSON list.")
@click.pass_context
def command(ctx: click.Context, kind: str | None, kinds: tuple[str, ...], verbose: bool, as_json: bool) -> None:
    """List what is installed, or what of it is of a KIND, and what is broken.

    What every plugin brings, whoever published it. A plugin registers to be listed; nothing else of it is imported.
    """
    from mtk.host.registry import Registry
    from mtk_cli.output import stdout

    toolkit = ctx.find_root().command
    commands = toolkit.commands if isinstance(toolkit, click.Group) else ()
    registry = Registry()
    wanted = {kind, *kinds} - {None}
    found = [row for row in rows(registry, commands, places=verbose or as_json) if not wanted or row["kind"] in wanted]
    if as_json:
        print_json(found)
        return
    screen = stdout()
    screen.print(everything(found) if verbose else overview(found))
    for row in () if verbose else found:
        if row["status"] != "ok":
            screen.say(f"\n{row['kind']} {row['name']} of {row['package']} {row['version']}: {row['status']}")
    for sentence in () if wanted else registry.slow().values():
        screen.say(f"\n{sentence}")


def overview(found: list[dict[str, Any]]) -> Listing:
    """What there is, in few columns: a package is named where it is not mtk's own."""
    from mtk.host.registry import PACKAGE
    from mtk_cli.output import table

    foreign = any(row["package"] != PACKAGE for row in found)
    listing = table("kind", "name", "summary", *(["package"] if foreign else []))
    for row in found:
        package = "" if row["package"] == PACKAGE else f"{row['package']} {row['version']}"
        listing.add_row(row["kind"], row["name"], row["summary"], *([package] if foreign else []))
    return listing


def everything(found: list[dict[str, Any]]) -> Listing:
    """All that is known of each."""
    from mtk_cli.output import table

    listing = table("kind", "name", "summary", "package", "status", "plugin", "target", "place")
    for row in found:
        package = f"{row['package']} {row['version']}"
        others = (row[column] for column in ("status", "plugin", "target", "place"))
        listing.add_row(row["kind"], row["name"], row["summary"], package, *others)
    return listing


def rows(registry: Registry, commands: Collection[str], *, places: bool) -> list[dict[str, Any]]:
    """A row for each component, then one for each broken plugin. `commands` are mtk's own, which keep their names; `places`
    has the disk searched for where each component lies."""
    from mtk.host.registry import PACKAGE

    seconds = {(p.package, p.name): round(p.seconds, 3) for p in registry.plugins}  # that importing it took
    offers = Counter((c.kind, c.name) for c in registry.components)
    own = {(c.kind, c.name) for c in registry.components if c.package == PACKAGE}

    def status(component: Component) -> str:
        if component.kind == "command" and component.name in commands:
            return "broken: mtk has a command of this name itself"
        if reason := component.missing():
            return f"broken: {reason}"
        if offers[component.kind, component.name] == 1 or component.package == PACKAGE:
            return "ok"
        if (component.kind, component.name) in own:
            return f"write {component.qualified}: the name alone means mtk's own"
        return f"ambiguous: write {component.qualified}"

    components = [
        {
            "kind": c.kind,
            "name": c.name,
            "summary": c.summary,
            "package": c.package,
            "version": c.version,
            "status": status(c),
            "plugin": c.plugin,
            "target": c.target or c.hub_id,
            "place": str(c.place() or "not installed") if places else "",
            "seconds": seconds[c.package, c.plugin],
        }
        for c in sorted(registry.components, key=lambda c: (KINDS.index(c.kind), c.name))
    ]
    broken = [
        {
            "kind": "plugin",
            "name": b.plugin,
            "summary": "",
            "package": b.package,
            "version": b.version,
            "status": f"broken: {b.reason}",
            "plugin": b.plugin,
            "target": "",
            "place": "",
            "seconds": round(b.seconds, 3),
        }
        for b in registry.broken
    ]
    return components + broken
