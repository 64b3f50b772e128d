"""The options of a part: the keyword-only arguments of its constructor, read from text by their annotations."""

from __future__ import annotations

import inspect
import os
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from mtk.errors import UsageError, nearest
from mtk.host.spec import Spec

_PLAIN = (str, int, float, bool, Path)


class Option(msgspec.Struct, frozen=True):
    """A keyword of a component's constructor that a user may set."""

    name: str
    annotation: Any
    default: Any

    @property
    def type(self) -> str:
        """The type in a user's words: `float`, `sum|mean`, `int or none`, `int/int/…`."""
        return _type_name(self.annotation)

    def read(self, value: str) -> Any:
        """`value` as this option's type. Raises ValueError."""
        return _read(value, self.annotation)

    def unreadable(self) -> str | None:
        """Why no text can be this option's value; None if one can."""
        if _readable(self.annotation):
            return None
        return (
            f"has an option `{self.name}` of a type that cannot be written as {self.name}=VALUE: {self.type}; take one of "
            f"str, int, float, bool, pathlib.Path, a Literal, one of these or None, or a list of these"
        )


def options(component: type) -> dict[str, Option]:
    """The options of a component, in their order."""
    found = [p for p in inspect.signature(component).parameters.values() if p.kind is p.KEYWORD_ONLY]
    # Only theirs are read: what annotates another argument may have been imported for the type checker alone.
    annotations = {p.name: p.annotation for p in found if p.annotation is not p.empty}
    names = getattr(component.__init__, "__globals__", {})  # type: ignore[misc]
    hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=annotations), names, include_extras=True)
    return {p.name: Option(p.name, hints.get(p.name, str), p.default) for p in found}


def read_options(known: typing.Mapping[str, Option], spec: Spec) -> dict[str, Any]:
    """The values that `spec` gives to some of the `known` options. Raises UsageError for one that is not known, one that
    does not fit its type, and one that must be given and is not."""
    values = {}
    for key, value in spec.options.items():
        if key not in known:
            raise UsageError(f"'{spec.name}' has no option '{key}'. {nearest(key, known)}")
        try:
            values[key] = known[key].read(value)
        except ValueError:
            raise UsageError(
                f"'{value}' is no value for option '{key}' of '{spec.name}': it takes {known[key].type}."
            ) from None
    missing = [o.name for o in known.values() if o.default is inspect.Parameter.empty and o.name not in values]
    if missing:
        raise UsageError(f"'{spec.name}' needs option '{missing[0]}': write {spec.name}:{missing[0]}=…")
    return values


def _read(value: str, annotation: Any) -> Any:
    """Raises ValueError."""
    inner, members, separator = _unwrapped(annotation)
    if value.lower() == "none" and type(None) in members:
        return None
    if separator:
        items = [_read(item, get_args(inner)[0]) for item in value.split(separator)]
        return tuple(items) if get_origin(inner) is tuple else items
    if inner is Path:
        return Path(value)
    try:
        return msgspec.convert(value, annotation, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...], str | None]:
    """An annotation without its `Annotated` and its None, the members of its union, and what separates a list's items: a
    slash, or of paths what separates them in PATH."""
    inner = get_args(annotation)[0] if get_origin(annotation) is typing.Annotated else annotation
    members = get_args(inner) if get_origin(inner) in (Union, types.UnionType) else ()
    others = [member for member in members if member is not type(None)]
    if len(others) == 1:
        inner = get_args(others[0])[0] if get_origin(others[0]) is typing.Annotated else others[0]
    if get_origin(inner) is list or (get_origin(inner) is tuple and get_args(inner)[-1] is ...):
        return inner, members, os.pathsep if get_args(inner)[0] is Path else "/"
    return inner, members, None


def _readable(annotation: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _readable(arguments[0])
    if origin in (Union, types.UnionType):
        return all(member is type(None) or _readable(member) for member in arguments)
    if origin is list or (origin is tuple and arguments[-1] is ...):
        return _readable(arguments[0]) and get_origin(arguments[0]) not in (list, tuple)
    return origin is Literal or annotation in _PLAIN


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(str(a) for a in arguments)
    if origin is typing.Annotated:
        return _type_name(arguments[0]) + "".join(f", {_bounds(a)}" for a in arguments[1:] if isinstance(a, msgspec.Meta))
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(a) for a in arguments)
    if _readable(annotation) and origin in (list, tuple):
        item = _type_name(arguments[0])
        return f"{item}{os.pathsep if arguments[0] is Path else '/'}{item}…"
    if annotation is type(None):
        return "none"
    return (
        "path" if annotation is Path else getattr(annotation, "__name__", str(annotation)) if not origin else str(annotation)
    )


def _bounds(meta: msgspec.Meta) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(f"{sign} {getattr(meta, name)}" for name, sign in signs.items() if getattr(meta, name) is not None)
