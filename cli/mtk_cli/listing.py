"""`mtk list`: everything installed, where it came from, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mtk.registry import Registry


@click.command("list")
@click.option("--verbose", is_flag=True, help="Show each component's plugin and class too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(verbose: bool, as_json: bool) -> None:
    """List what is installed, and what is broken.

    Heads, combiners and augmenters of every plugin, whoever published it.
    """
    from mtk.registry import Registry
    from mtk_cli.output import print_json, stdout, table

    found = rows(Registry())
    if as_json:
        print_json(found)
        return
    more = ["plugin", "target"] if verbose else []
    listing = table("kind", "name", "summary", "package", "status", *more)
    listing.columns[1].no_wrap = True  # a name can be copied
    for row in found:
        package = f"{row['package']} {row['version']}"
        listing.add_row(row["kind"], row["name"], row["summary"], package, row["status"], *(row[column] for column in more))
    stdout().print(listing)


def rows(registry: Registry) -> list[dict[str, str]]:
    """A row for each component, then one for each broken plugin."""
    from mtk.registry import KINDS

    offers = Counter((c.kind, c.name) for c in registry.components)
    components = [
        {
            "kind": c.kind,
            "name": c.name,
            "summary": c.summary,
            "package": c.package,
            "version": c.version,
            "status": "ok" if offers[c.kind, c.name] == 1 else f"ambiguous: write {c.qualified}",
            "plugin": c.plugin,
            "target": c.target,
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
        }
        for b in registry.broken
    ]
    return components + broken
