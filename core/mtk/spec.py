"""How a component is named: `NAME`, `NAME:key=value,key=value`, or `package/NAME` where two packages offer one name."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from mtk.errors import UsageError, nearest


class Spec(msgspec.Struct, frozen=True):
    """A component's name and its options, as written and not yet checked."""

    name: str
    options: dict[str, str] = {}

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read `NAME:key=value,key=value`. Raises UsageError where an option has no value or comes twice."""
        name, colon, rest = text.partition(":")
        if not name.strip():
            raise UsageError(f"'{text}' names no component. Write NAME or NAME:key=value,key=value.")
        options: dict[str, str] = {}
        for item in rest.split(",") if colon else ():
            key, equals, value = item.partition("=")
            if not (key and equals and value):
                raise UsageError(f"'{item}' in '{text}' is not an option. Write NAME:key=value,key=value.")
            if key in options:
                raise UsageError(f"Option '{key}' comes twice in '{text}'.")
            options[key] = value
        return cls(name.strip(), options)

    def __str__(self) -> str:
        return self.name + (":" + ",".join(f"{k}={v}" for k, v in self.options.items()) if self.options else "")


class Option(msgspec.Struct, frozen=True):
    """A keyword of a component's constructor that a user may set."""

    name: str
    annotation: Any
    default: Any

    @property
    def type(self) -> str:
        """The type in a user's words: `float`, `sum|mean`, `int or none`."""
        return _type_name(self.annotation)

    def read(self, value: str) -> Any:
        """`value` as this option's type. Raises ValueError."""
        if value.lower() == "none" and type(None) in get_args(self.annotation):
            return None
        try:
            return msgspec.convert(value, self.annotation, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None


def options(component: type) -> dict[str, Option]:
    """The options of a component: the keyword-only arguments of its constructor, in their order."""
    found = [p for p in inspect.signature(component).parameters.values() if p.kind is p.KEYWORD_ONLY]
    # Only theirs are read: what annotates another argument may have been imported for the type checker alone.
    annotations = {p.name: p.annotation for p in found if p.annotation is not p.empty}
    names = getattr(component.__init__, "__globals__", {})  # type: ignore[misc]
    hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=annotations), names, include_extras=True)
    return {p.name: Option(p.name, hints.get(p.name, str), p.default) for p in found}


def read_options(component: type, spec: Spec) -> dict[str, Any]:
    """The keyword arguments that `spec` asks for, read and checked by the constructor's annotations."""
    known = options(component)
    arguments = {}
    for key, value in spec.options.items():
        if key not in known:
            raise UsageError(f"'{spec.name}' has no option '{key}'. {nearest(key, known)}")
        try:
            arguments[key] = known[key].read(value)
        except ValueError:
            raise UsageError(
                f"'{value}' is no value for option '{key}' of '{spec.name}': it takes {known[key].type}."
            ) from None
    missing = [o.name for o in known.values() if o.default is inspect.Parameter.empty and o.name not in arguments]
    if missing:
        raise UsageError(f"'{spec.name}' needs option '{missing[0]}': write {spec.name}:{missing[0]}=…")
    return arguments


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(str(a) for a in arguments)
    if origin is typing.Annotated:
        return _type_name(arguments[0]) + "".join(f", {_bounds(a)}" for a in arguments[1:] if isinstance(a, msgspec.Meta))
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(a) for a in arguments)
    if annotation is type(None):
        return "none"
    return getattr(annotation, "__name__", str(annotation))


def _bounds(meta: msgspec.Meta) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(f"{sign} {getattr(meta, name)}" for name, sign in signs.items() if getattr(meta, name) is not None)
