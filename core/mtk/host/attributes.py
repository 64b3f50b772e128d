"""The attributes that a part's class sets: whether each is one of its contract's and has a value that it may have.

An attribute of a name that the contract does not know is the author's own, and most are. It is taken for a mistake where
it nearly has a name of the contract's, or has a value that one of the contract's attributes takes, and nothing of the class
reads it: then it does nothing at all.
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import msgspec

from mtk.host.options import Option

# Where the attributes are not the author's own.
_FRAMEWORKS = ("mtk", "torch", "builtins", "abc", "typing")


def attributes(base: type) -> dict[str, Any]:
    """The attributes of a contract: what `base` and mtk's classes above it annotate, and each one's type."""
    found: dict[str, Any] = {}
    for owner in reversed(base.__mro__):
        if owner.__module__.partition(".")[0] == "mtk" and (notes := vars(owner).get("__annotations__")):
            # of this class alone: torch's Module annotates too
            found |= get_type_hints(type("Own", (), {"__annotations__": notes, "__module__": owner.__module__}))
    return {name: get_args(hint)[0] if get_origin(hint) is ClassVar else hint for name, hint in found.items()}


def misvalued(values: Mapping[str, Any], known: Mapping[str, Any]) -> str | None:
    """The first of the `known` attributes that has a value which its type does not allow, in words."""
    for name, annotation in known.items():
        value = values.get(name)
        if name not in values or hasattr(value, "__get__"):  # a property, which has a value when it is asked
            continue
        try:
            msgspec.convert(value, annotation)
        except msgspec.ValidationError:
            return f"sets `{name}` to {value!r}; it takes {Option(name, annotation, None).type}"
    return None


def misnamed(cls: type, base: type, methods: Iterable[str], elsewhere: Mapping[str, str]) -> str | None:
    """The first attribute or method of the class's own that is meant to be one of the contract's and is none, in words.
    `methods` are those of the contract; `elsewhere` says of the attributes of its other bases which have them."""
    own = [owner for owner in cls.__mro__ if owner.__module__.partition(".")[0] not in _FRAMEWORKS]
    codes = [code for owner in own for code in _codes(owner)]
    read = {name for code in codes for name in _read(code)}
    values = attributes(base)
    known = [*values, *(method for method in methods if not method.startswith("__"))]
    names = [name for owner in own for name in vars(owner)] + [name for code in codes for name in _stored(code)]
    for name in dict.fromkeys(names):
        if name.startswith("_") or name in read or name in known or hasattr(base, name):
            continue
        value = inspect.getattr_static(cls, name, None)
        noun = "a method" if inspect.isroutine(value) else "an attribute"
        if name in elsewhere:
            return f"sets `{name}`, which only a subclass of mtk.{elsewhere[name]} may"
        if meant := _nearest(name, known) or _ending(name, values) or _by_value(value, values):
            return f"has {noun} `{name}`, which neither mtk nor the class itself reads: is it `{meant}`?"
    return None


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of the contract's that this name nearly is, but for a letter or two or an underscore, or that it begins."""
    squeezed = {_squeezed(each): each for each in known}
    text = _squeezed(name)
    if close := get_close_matches(text, squeezed, n=1, cutoff=0.85):
        return squeezed[close[0]]
    stem = text.removesuffix("s")
    begun = [each for key, each in squeezed.items() if key.startswith(stem)]
    return begun[0] if len(begun) == 1 and len(stem) >= 4 else None


def _ending(name: str, attributes: Iterable[str]) -> str | None:
    """The attribute of the contract's that ends so, or that this name ends with: `encoding`, `num_copies`."""
    return next((each for each in attributes if each.endswith(f"_{name}") or name.endswith(f"_{each}")), None)


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "")


def _by_value(value: Any, known: Mapping[str, Any]) -> str | None:
    """The attribute that takes this word, of those that take certain words."""
    for name, annotation in known.items():
        if get_origin(annotation) is Literal and isinstance(value, str) and value in get_args(annotation):
            return name
    return None


def _codes(owner: type) -> Iterator[CodeType]:
    """The code of all functions that a class defines, whatever they are wrapped in, and of the functions inside them."""
    for value in vars(owner).values():
        if isinstance(value, property):
            wrapped: tuple[Any, ...] = (value.fget, value.fset, value.fdel)
        else:
            wrapped = (value.func if isinstance(value, cached_property) else getattr(value, "__func__", value),)
        for each in wrapped:
            function = inspect.unwrap(each) if callable(each) else each
            if isinstance(function, FunctionType):
                yield from _nested(function.__code__)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _stored(code: CodeType) -> Iterator[str]:
    """The attributes that code sets, of whatever object."""
    return (i.argval for i in dis.get_instructions(code) if i.opname == "STORE_ATTR")


def _read(code: CodeType) -> Iterator[str]:
    """The names that code reads, its own variables left out, and the words in it, which `getattr` may take."""
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, str) and not re.search("FAST|DEREF|STORE_", instruction.opname):
            yield instruction.argval
