"""From what a task's table in tasks.toml says of its kind to the kind."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from typing import Any

import msgspec

from mtk.calling.arguments import names, parameters
from mtk.calling.failures import broken
from mtk.errors import UsageError, nearest
from mtk.host.component import Component
from mtk.host.options import Option, options
from mtk.host.part import Part
from mtk.host.registry import Registry
from mtk.host.spec import Spec
from mtk.kind import Kind

_KEYS = {
    "labels": "`labels`, or `classes`, which names them 0, 1, 2 …",
    "range": "`range`, the lowest score and the highest",
}


class KindCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which kind a task is of, where it came from, and all that it takes to make it again."""

    name: str
    package: str
    version: str
    labels: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None
    options: dict[str, Any] = {}


class Kinds:
    """Makes kinds of the parts that are installed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def keys(self, name: str) -> list[str]:
        """The keys that a table of this kind may have beside those of every task. Raises UsageError for an unknown kind."""
        return list(options(self._registry.find("kind", name).load()))

    def make(
        self,
        name: str,
        labels: tuple[str, ...] | None = None,
        range: tuple[float, float] | None = None,
        options: Mapping[str, Any] = {},  # nobody writes to it
    ) -> Kind:
        """The kind of this name. Raises UsageError for what does not exist, does not fit, or is missing."""
        component = self._registry.find("kind", name)
        cls = component.load()
        given = {"labels": labels, "range": range}
        _check_given(component, cls, given)
        part = Part(component, cls, Spec(name, {}), _read(component, cls, options), {})
        kind: Kind = part.build(**{key: value for key, value in given.items() if value is not None})
        if not kind.metric_names:
            raise broken(kind, "metrics", "its `metric_names` names none of its metrics")
        object.__setattr__(kind, "_card", KindCard(*_origin(component), labels, range, dict(options)))
        return kind

    def restore(self, card: KindCard) -> Kind:
        """The kind that `card` describes. Raises UsageError where its package is missing."""
        return self.make(f"{card.package}/{card.name}", card.labels, card.range, card.options)


def card_of(kind: Kind) -> KindCard:
    """What describes a kind that was made here."""
    card: KindCard = kind._card  # type: ignore[attr-defined]
    return card


def component_of(kind: Kind) -> Component:
    """Where a kind that was made here comes from."""
    component: Component = kind._component  # type: ignore[attr-defined]
    return component


def _origin(component: Component) -> tuple[str, str, str]:
    return component.name, component.package, component.version


def _check_given(component: Component, cls: type, given: Mapping[str, Any]) -> None:
    """Raises UsageError for a key that the kind does not take, or one that it needs."""
    taken = names(cls.__init__, tuple(given))  # type: ignore[misc]
    for parameter in parameters(cls.__init__):  # type: ignore[misc]
        key = taken.get(parameter.name)
        if key and given[key] is None and parameter.default is Parameter.empty:
            raise UsageError(f"the kind '{component.name}' needs {_KEYS[key]}")
    for key, value in given.items():
        if value is not None and key not in taken.values():
            takes = " and ".join(_KEYS[each] for each in taken.values()) or "neither labels nor a range"
            raise UsageError(f"the kind '{component.name}' takes {takes}, and no `{key}`")


def _read(component: Component, cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Option] = options(cls)
    values = {}
    for key, value in given.items():
        if key not in known:
            raise UsageError(f"the kind '{component.name}' has no option '{key}'. {nearest(key, known)}")
        try:
            values[key] = msgspec.convert(value, known[key].annotation)
        except msgspec.ValidationError as error:
            raise UsageError(f"`{key}` takes {known[key].type}: {error}") from None
    if missing := [o.name for o in known.values() if o.default is Parameter.empty and o.name not in values]:
        raise UsageError(f"the kind '{component.name}' needs `{missing[0]}`")
    return values
