"""The options of a part: the keyword-only arguments of its constructor, read from text by their annotations."""

from __future__ import annotations

import inspect
import os
import types
import typing
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from mtk.config import LARGEST_NUMBER
from mtk.errors import UsageError, nearest
from mtk.host.spec import Spec

_PLAIN = (str, int, float, bool)


class Option(msgspec.Struct, frozen=True):
    """A keyword of a component's constructor that a user may set."""

    name: str
    annotation: Any
    default: Any

    @property
    def type(self) -> str:
        """The type in a user's words: `float`, `sum|mean`, `int or none`, `int/int…`."""
        return _type_name(self.annotation)

    def read(self, text: str) -> Any:
        """`text` as this option's type. Raises ValueError."""
        return _read(text, self.annotation)

    def recorded(self, text: str) -> str:
        """`text` as it can be read again from anywhere: its paths in full."""
        value = self.read(text)
        items = value if isinstance(value, list | tuple) else [value]
        return written(value) if any(isinstance(item, Path) for item in items) else text

    def unreadable(self) -> str | None:
        """Why no text can be this option's value; None if one can."""
        try:
            if _readable(self.annotation):
                self.read("text")
                return None
        except ValueError:  # it reads, if not this
            return None
        except TypeError:  # bounds that its type cannot have
            pass
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
    return {p.name: Option(p.name, hints.get(p.name, _like(p.default)), p.default) for p in found}


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


def written(value: Any) -> str:
    """A value as it is read: `none`, `true`, `0.1/0.2`; a path in full."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        separator = os.pathsep if any(isinstance(item, Path) for item in value) else "/"
        return separator.join(written(item) for item in value)
    return str(value.absolute() if isinstance(value, Path) else value)


def _like(default: Any) -> Any:
    """The type of an option that has no annotation: its default's, or text."""
    return Path if isinstance(default, Path) else type(default) if type(default) in _PLAIN else str


def _read(text: str, annotation: Any) -> Any:
    """Raises ValueError; TypeError if no text will ever do."""
    inner, may_be_none = _without_none(annotation)
    if may_be_none and text.lower() == "none":
        return None
    bare = _bare(inner)
    try:
        if item := _item(bare):
            items = [_read(each, item) for each in text.split(_separator(item))]
            return msgspec.convert(items, inner)
        if get_origin(bare) is Literal:
            return {written(value): value for value in get_args(bare)}[text]
        if bare is Path:
            return Path(text).expanduser()
        value = msgspec.convert(text, inner, strict=False)
    except (msgspec.ValidationError, KeyError) as error:
        raise ValueError(str(error)) from None
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise ValueError("it is too large")
    return value


def _readable(annotation: Any) -> bool:
    bare = _bare(_without_none(annotation)[0])
    if item := _item(bare):
        return not _item(_bare(_without_none(item)[0])) and _readable(item)
    if _is_union(bare):
        return all(get_origin(_bare(member)) is Literal or _bare(member) in _PLAIN for member in get_args(bare))
    return get_origin(bare) is Literal or bare in (*_PLAIN, Path)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """`int | None` -> `int`, and whether there was a None."""
    bare = _bare(annotation)
    members = get_args(bare) if _is_union(bare) else ()
    if type(None) not in members:
        return annotation, False
    others: Any = reduce(or_, (member for member in members if member is not type(None)))
    return (others if bare is annotation else Annotated[(others, *get_args(annotation)[1:])]), True


def _bare(annotation: Any) -> Any:
    """An annotation without its bounds."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _item(bare: Any) -> Any:
    """What a list is of; None for what is no list."""
    arguments = get_args(bare)
    if get_origin(bare) is list or (get_origin(bare) is tuple and arguments[-1] is ...):
        return arguments[0]
    return None


def _separator(item: Any) -> str:
    """What stands between a list's items: a slash; between paths, what stands between them in PATH."""
    return os.pathsep if _bare(_without_none(item)[0]) is Path else "/"


def _is_union(bare: Any) -> bool:
    return get_origin(bare) in (Union, types.UnionType)


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return "".join([_type_name(inner), *(f", {_bounds(note)}" for note in notes if isinstance(note, msgspec.Meta))])
    if get_origin(annotation) is Literal:
        return "|".join("none" if value is None else str(value) for value in get_args(annotation))
    if _is_union(annotation):
        return " or ".join(_type_name(member) for member in get_args(annotation))
    if item := _item(annotation):
        name, comma, bounds = _type_name(item).partition(", ")
        return f"{name}{_separator(item)}{name}…{comma}{bounds}"
    if annotation is type(None):
        return "none"
    if annotation is Path:
        return "path"
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)


def _bounds(meta: msgspec.Meta) -> str:
    signs = {"ge": "≥ ", "gt": "> ", "le": "≤ ", "lt": "< ", "min_length": "at least ", "max_length": "at most "}
    return ", ".join(sign + str(getattr(meta, name)) for name, sign in signs.items() if getattr(meta, name) is not None)
