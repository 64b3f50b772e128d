"""What a class must look like to be a part: its base, what its constructor and its methods are offered, its attributes.

Found out when the class is imported, before anything is built of it, so that an author reads one message that says what was
wanted, and no run gets as far as a traceback.
"""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal, get_args

import msgspec

from mtk.calling.arguments import names, parameters, unfit
from mtk.config import Count
from mtk.host.options import Option, options

Kind = Literal["head", "combiner", "augmenter", "tasks", "encoder", "listener", "command"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Contract(msgspec.Struct, frozen=True):
    """What one kind of part promises."""

    base: str  # its class, a public name of mtk
    constructor: tuple[str, ...]  # what its constructor is offered
    methods: dict[str, tuple[str, ...]]  # what each method is offered
    bases: tuple[str, ...] = ()  # the classes to choose from, where `base` itself is none of them
    attributes: tuple[str, ...] = ()  # that a class may set
    framework: tuple[Option, ...] = ()  # options that a user may give every part of the kind, beside its constructor's


CONTRACTS: dict[str, Contract] = {
    "head": Contract(
        base="Head",
        constructor=("width", "outputs", "inputs", "task"),
        methods={"forward": ("first", "second", "joint", "labels")},
        attributes=("pair_encoding",),
    ),
    "combiner": Contract(
        base="Combiner",
        bases=("LossCombiner", "GramianCombiner", "GradientCombiner"),
        constructor=("tasks",),
        methods={
            "scalarize": ("losses", "step"),
            "weights": ("gramian", "step"),
            "combine": ("gradients", "step"),
            "after_step": ("losses",),
            "turns": (),
        },
        attributes=("uses_host", "declares", "additive", "scope"),
    ),
    "augmenter": Contract(
        base="Augmenter",
        constructor=(),
        methods={"__call__": ("words", "rng")},
        attributes=("copies",),
        framework=(Option("copies", Count, None),),
    ),
}


def framework_options(kind: str) -> dict[str, Option]:
    """The options that the framework adds to those of every part of a kind."""
    return {option.name: option for option in CONTRACTS[kind].framework} if kind in CONTRACTS else {}


def why_not(kind: str, cls: Any) -> str | None:
    """Why `cls` is no part of this kind, in a sentence that ends with what to do; None if it is one."""
    if not isinstance(cls, type):
        return "is not a class"
    contract = CONTRACTS.get(kind)
    if contract is None:
        return _unfit_options(cls, ())
    base = getattr(import_module("mtk"), contract.base)
    if not issubclass(cls, base):
        return f"is not a subclass of mtk.{contract.base}"
    kinds = [getattr(import_module("mtk"), name) for name in contract.bases]
    if kinds and not issubclass(cls, tuple(kinds)):
        listed = ", ".join(f"mtk.{name}" for name in contract.bases)
        return f"subclasses mtk.{contract.base} itself; subclass one of {listed}, which says what it decides from"
    return _misnamed(cls, contract) or _unfit_methods(cls, contract, kinds) or _unfit_options(cls, contract.constructor)


def unmade(kind: str, part: Any) -> str | None:
    """What a constructor left undone; None if nothing."""
    if kind in ("head", "combiner") and "_parameters" not in vars(part):
        arguments = "tasks" if kind == "combiner" else ""
        return f"its constructor does not call super().__init__({arguments})"
    return None


def _misnamed(cls: type, contract: Contract) -> str | None:
    """An attribute of the class's own that nearly has the name of one of the contract's, and so does nothing."""
    known = (*contract.attributes, *(name for name in contract.methods if not name.startswith("__")))
    for owner in cls.__mro__:
        if owner.__module__.partition(".")[0] in ("mtk", "torch", "builtins", "abc"):
            continue
        for name in vars(owner):
            plain = not name.startswith("_") and name not in known
            close = get_close_matches(name, known, n=1, cutoff=0.8) if plain else []
            if not close and plain:  # `pairs` for `pair_encoding`: a beginning that is one of a single name
                begun = [each for each in known if each.startswith(name.rstrip("s")) and len(name) >= 4]
                close = begun if len(begun) == 1 else []
            if close and not hasattr(getattr(import_module("mtk"), contract.base), name):
                return f"has an attribute `{name}`, which means nothing here: is it `{close[0]}`?"
    return None


def _unfit_methods(cls: type, contract: Contract, kinds: list[type]) -> str | None:
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        wanted = ", ".join(f"`{name}({', '.join(contract.methods.get(name, ()))})`" for name in missing)
        return f"does not define {wanted}"
    for name, offered in contract.methods.items():
        function = getattr(cls, name, None)
        if function is None:
            continue
        if reason := unfit(function, offered):
            return f"has a method `{name}` that cannot be called: {reason}"
        for argument in [p.name for p in parameters(function) if p.name not in names(function, offered)]:
            # it has a default, so nothing fails: it is simply never given
            if close := get_close_matches(argument, offered, n=1, cutoff=0.7):
                return f"has a method `{name}` with an argument `{argument}`, which is never given: is it `{close[0]}`?"
    return None


def _unfit_options(cls: type, offered: tuple[str, ...]) -> str | None:
    """A constructor that takes something that nobody gives, or options that nobody can."""
    given = names(cls.__init__, offered)  # type: ignore[misc]
    wanted = f"__init__(self, {', '.join([*offered, '*, OPTION=DEFAULT'])})"
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            return f"has a constructor whose `{parameter.name}` has no name for a caller; it should be {wanted}"
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name not in given:
            if parameter.default is parameter.empty:
                return f"has a constructor that asks for `{parameter.name}`, which nobody gives it; it should be {wanted}"
            return f"has an option `{parameter.name}` that nobody can set, since it stands before the `*`: {wanted}"
    for option in options(cls).values():
        if reason := option.unreadable():
            return reason
    return None
