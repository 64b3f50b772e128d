"""A method takes those of its arguments that it names, as a hook does. So a contract can offer more without breaking
anyone, and the smallest part stays five lines. The first argument may have a name of the method's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from inspect import Parameter
from typing import Any


@cache
def parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Those of a function or a method, without `self`."""
    if function is object.__init__:  # which says that it takes anything, and takes nothing
        return ()
    found = inspect.signature(function).parameters.values()
    return tuple(p for p in found if p.name != "self")


def named(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the `offered` arguments that `function` names, by its own names for them; all, if it has `**keywords`."""
    wanted = names(function, tuple(offered))
    return {own: offered[name] for own, name in wanted.items()}


def in_order(method: Callable[..., Any], offered: tuple[str, ...]) -> Callable[..., Any]:
    """A bound method, or what calls it with those of the `offered` arguments that it names: both take all of these in their
    order. For what is called so often that to name arguments takes its time."""
    function: Callable[..., Any] = method.__func__  # type: ignore[attr-defined]
    if _in_order(function, offered):
        return method
    return lambda *values: method(**named(function, dict(zip(offered, values, strict=True))))


@cache
def _in_order(function: Callable[..., Any], offered: tuple[str, ...]) -> bool:
    """Whether the `offered` arguments are its first ones."""
    first = parameters(function)[: len(offered)]
    in_place = [(p.name, name) for p, name in zip(first, offered, strict=False) if p.kind is p.POSITIONAL_OR_KEYWORD]
    return list(names(function, offered).items()) == in_place and len(in_place) == len(offered)


@cache
def names(function: Callable[..., Any], offered: Sequence[str]) -> dict[str, str]:
    """Each argument of `function` that is one of the `offered`, and which."""
    found = parameters(function)
    by_name = [p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    wanted = {p.name: p.name for p in by_name if p.name in offered}
    first = by_name[0] if by_name else None
    if first and first.name not in wanted and offered and offered[0] not in wanted and _has_to_be_given(first):
        wanted[first.name] = offered[0]
    if any(p.kind is p.VAR_KEYWORD for p in found):
        wanted |= {name: name for name in offered if name not in wanted.values()}
    return wanted


def unfit(function: Callable[..., Any], offered: Iterable[str]) -> str | None:
    """Why `function` cannot be called with some of the `offered` arguments, by name; None where it can be."""
    offered = tuple(offered)
    given = names(function, offered)
    for parameter in parameters(function):
        if parameter.kind is parameter.POSITIONAL_ONLY:
            return f"its argument `{parameter.name}` has no name for a caller; take out the `/`"
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if by_name and parameter.name not in given and parameter.default is parameter.empty:
            return f"it asks for `{parameter.name}`, and it is offered {', '.join(offered) or 'none'}"
    return None


def _has_to_be_given(parameter: Parameter) -> bool:
    return parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and parameter.default is Parameter.empty
