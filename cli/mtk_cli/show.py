"""`mtk show`: one component's options, its description with the paper, and its origin."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click

from mtk import UsageError
from mtk.errors import nearest

if TYPE_CHECKING:
    from mtk.registry import Component, Registry


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(name: str, as_json: bool) -> None:
    """Show a component's options and paper.

    NAME is a head, a combiner or an augmenter; write package/NAME where two packages offer one name.
    """
    from mtk.registry import Registry
    from mtk_cli.output import print_json, stdout, table

    cards = [describe(component) for component in named(Registry(), name)]
    if as_json:
        print_json(cards)
        return
    console = stdout()
    for card in cards:
        console.print(f"{card['kind']} {card['name']}: {card['summary']}", style="bold")
        console.print(f"{card['target']}, from plugin {card['plugin']} of {card['package']} {card['version']}\n")
        if card["description"]:
            console.print(card["description"] + "\n")
        if card["options"]:
            options = table("option", "type", "default")
            for option in card["options"]:
                default = "must be given" if option["required"] else str(option["default"]).lower()
                options.add_row(option["name"], option["type"], default)
            console.print(options)
        else:
            console.print("It has no options.\n")


def named(registry: Registry, name: str) -> list[Component]:
    """The components of any kind that `name` or `package/name` may mean; at least one, or UsageError."""
    found = [c for c in registry.components if name in (c.name, c.qualified)]
    if not found:
        hint = " A broken plugin may have brought it; `mtk list` shows them." if registry.broken else ""
        known = {c.name for c in registry.components}
        raise UsageError(f"There is no head, combiner or augmenter '{name}'. {nearest(name, known)}{hint}")
    return found


def describe(component: Component) -> dict[str, Any]:
    """All there is to know of a component. Imports it: raises UsageError where it is broken."""
    from mtk.spec import options

    cls: Any = component.load()
    described = [
        {
            "name": option.name,
            "type": option.type,
            "default": None if option.default is inspect.Parameter.empty else option.default,
            "required": option.default is inspect.Parameter.empty,
        }
        for option in options(cls).values()
    ]
    if component.kind == "augmenter":  # which every augmenter takes, beside its constructor's
        described.append({"name": "copies", "type": "int, ≥ 1", "default": cls.copies, "required": False})
    return {
        "kind": component.kind,
        "name": component.name,
        "summary": component.summary,
        "package": component.package,
        "version": component.version,
        "plugin": component.plugin,
        "target": component.target,
        "options": described,
        "description": inspect.cleandoc(cls.__doc__ or ""),
    }
