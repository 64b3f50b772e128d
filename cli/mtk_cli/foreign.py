"""The commands that plugins bring: named in the help, imported when they are used."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mtk.host.component import Component


def offered(own: Collection[str]) -> list[Component]:
    """All of them but those that are called like one of mtk's `own`, which nobody could reach."""
    from mtk.host.registry import Registry

    return sorted((c for c in Registry().components if c.kind == "command" and c.name not in own), key=lambda c: c.name)


def find(name: str) -> Component | None:
    """That of the command `name` or `package/name`, if there is one. Raises UsageError if two packages offer it."""
    from mtk.host.registry import Registry

    registry = Registry()
    return registry.find("command", name) if registry.offers("command", name) else None


def load(component: Component) -> click.Command:
    """The command itself. Raises UsageError if it is broken."""
    command = component.load()
    if not isinstance(command, click.Command):
        raise component.broken(f"{component.target} is not a click command")
    return command
