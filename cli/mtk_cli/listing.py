"""`mtk list`: everything installed, where it came from, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from mtk_cli.json_output import json_option, print_json

if TYPE_CHECKING:
    from mtk.host.component import Component
    from mtk.host.registry import Registry


@click.command("list")
@click.option("--verbose", is_flag=True, help="Show each component's plugin, its class, and where the code or data lie.")
@json_option("Print a JSON list.")
@click.pass_context
def command(ctx: click.Context, verbose: bool, as_json: bool) -> None:
    """List what is installed, and what is broken.

    What every plugin brings, whoever published it. A plugin registers to be listed; nothing else of it is imported.
    """
    from mtk.host.registry import Registry
    from mtk_cli.output import stdout, table

    toolkit = ctx.find_root().command
    commands = toolkit.commands if isinstance(toolkit, click.Group) else ()
    registry = Registry()
    found = rows(registry, commands, places=verbose or as_json)
    if as_json:
        print_json(found)
        return
    more = ["plugin", "target", "place"] if verbose else []
    listing = table("kind", "name", "summary", "package", "status", *more)
    listing.columns[1].no_wrap = True  # a name can be copied
    for row in found:
        package = f"{row['package']} {row['version']}"
        listing.add_row(row["kind"], row["name"], row["summary"], package, row["status"], *(row[column] for column in more))
    console = stdout()
    console.print(listing)
    for sentence in registry.slow().values():
        console.print(f"\n{sentence}", soft_wrap=True)


def rows(registry: Registry, commands: Collection[str], *, places: bool) -> list[dict[str, Any]]:
    """A row for each component, then one for each broken plugin. `commands` are mtk's own, which keep their names; `places`
    has the disk searched for where each component lies."""
    from mtk.host.contracts import KINDS
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
