"""What a class must look like to be a part: its base, what its constructor and its methods are offered.

Found out when the class is imported, before anything is built of it, so that an author reads one message that says what was
wanted, and no run gets as far as a traceback.
"""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, Literal, get_args

import msgspec

from mtk.calling.arguments import names, parameters, unfit
from mtk.config import Count, Rate
from mtk.host.attributes import attributes, misnamed, misvalued
from mtk.host.optimizers import optimizer_options, why_no_optimizer
from mtk.host.options import Option, options

PartKind = Literal[
    "head",
    "combiner",
    "augmenter",
    "kind",
    "sampler",
    "optimizer",
    "schedule",
    "pooling",
    "stage",
    "tasks",
    "encoder",
    "listener",
    "command",
]
KINDS: tuple[PartKind, ...] = get_args(PartKind)


_COSTLY = ("cross",)  # arguments that a method is offered at a price: no message proposes them


class Contract(msgspec.Struct, frozen=True):
    """What one kind of part promises."""

    base: str  # its class, a public name of mtk
    constructor: tuple[str, ...]  # what its constructor is offered
    methods: dict[str, tuple[str, ...]]  # what each method is offered
    bases: tuple[str, ...] = ()  # the classes to choose from, where `base` itself is none of them
    made: tuple[str, ...] = ()  # what an instance has once its base's constructor was called
    typed: bool = False  # whether its options come as values of tasks.toml, and not as text
    one_of: bool = False  # a class defines one of the methods, and no two
    framework: tuple[Option, ...] = ()  # options that a user may give every part of the kind, beside its constructor's
    framework_for: str | None = None  # the one of `bases` whose subclasses alone have them
    settled_by: tuple[str, ...] = ()  # those of them that a class settles by an attribute of that name


CONTRACTS: dict[str, Contract] = {
    "head": Contract(
        base="Head",
        constructor=("width", "outputs", "inputs", "task"),
        methods={"forward": ("first", "second", "joint", "labels")},
        made=("_parameters",),
    ),
    "combiner": Contract(
        base="Combiner",
        bases=("LossCombiner", "GramianCombiner", "GradientCombiner"),
        constructor=("tasks",),
        methods={
            "scalarize": ("losses", "step"),
            "weights": ("gramian", "step", "cross"),
            "combine": ("gradients", "step"),
            "after_step": ("losses",),
            "after_evaluation": ("scores",),
            "turns": (),
        },
        made=("_parameters", "tasks"),
        framework=(
            Option("scope", Literal["encoder", "layer"], "encoder"),
            Option("normalize", bool, False),
            Option("smoothing", Annotated[float, msgspec.Meta(ge=0, lt=1)], 0.0),
            Option("preference", list[Annotated[float, msgspec.Meta(gt=0)]] | None, None),
        ),
        framework_for="GramianCombiner",
        settled_by=("scope",),
    ),
    "augmenter": Contract(
        base="Augmenter",
        constructor=(),
        methods={
            "__call__": ("words", "rng"),
            "example": ("texts", "label", "rng", "alike"),
            "batch": ("texts", "rngs"),
        },
        one_of=True,
        framework=(Option("copies", Count, None),),
    ),
    "kind": Contract(
        base="Kind",
        constructor=("labels", "range"),
        methods={
            "loss": ("logits", "labels", "mask"),
            "predict": ("logits", "mask"),
            "probabilities": ("logits", "mask"),
            "metrics": ("predictions", "labels"),
            "guess": ("labels",),
            "read_label": ("label",),
            "value": ("prediction",),
            "written": ("value",),
            "fit": ("labels",),
            "layer": (),
        },
        made=("labels", "range"),
        typed=True,
    ),
    "sampler": Contract(
        base="Sampler",
        constructor=(),
        methods={"examples": ("sizes", "batch_sizes", "batch", "progress", "epoch", "epochs", "rng")},
        framework=(Option("batch", Count, None),),
    ),
    "schedule": Contract(
        base="Schedule",
        constructor=(),
        methods={"factor": ("left", "progress", "step", "steps")},
    ),
    "pooling": Contract(
        base="Pooling",
        constructor=("width",),
        methods={"forward": ("tokens", "mask", "layers")},
        made=("_parameters",),
    ),
    "stage": Contract(
        base="Stage",
        constructor=("width", "tokenizer", "embeddings"),
        methods={"forward": ("inputs", "encode", "embeddings")},
        made=("_parameters",),
        framework=(Option("epochs", Count, 1), Option("batch", Count, 32), Option("lr", Rate, 5e-5)),
    ),
}


def framework_options(kind: str, cls: type) -> dict[str, Option]:
    """The options that the framework adds to those of every part of a kind, or of the kind's parts that are like `cls`. One
    that the class has itself is the class's, and what the class has settled is no option."""
    contract = CONTRACTS.get(kind)
    if contract is None or (contract.framework_for and not issubclass(cls, _public(contract.framework_for))):
        return {}
    own = own_options(kind, cls)
    offered = {option.name: option for option in contract.framework if option.name not in own}
    settled = [name for name in contract.settled_by if name in offered and getattr(cls, name) != offered[name].default]
    return {name: option for name, option in offered.items() if name not in settled}


def own_options(kind: str, cls: type) -> dict[str, Option]:
    """The options that the class of a part of this kind has itself."""
    return optimizer_options(cls) if kind == "optimizer" else options(cls)


def why_not(kind: str, cls: Any) -> str | None:
    """Why `cls` is no part of this kind, in a sentence that ends with what to do; None if it is one."""
    if kind == "optimizer":
        return why_no_optimizer(cls)
    contract = CONTRACTS.get(kind)
    if not isinstance(cls, type):
        found = "is a function and not a class" if inspect.isroutine(cls) else "is not a class"
        return found + (f"; write a subclass of mtk.{contract.base}" if contract else "")
    if contract is None:
        return _unfit_constructor(cls, ())
    if not issubclass(cls, _public(contract.base)):
        return f"is not a subclass of mtk.{contract.base}"
    bases = [base for base in map(_public, contract.bases or (contract.base,)) if issubclass(cls, base)]
    if not bases:
        listed = ", ".join(f"mtk.{name}" for name in contract.bases)
        return f"subclasses mtk.{contract.base} itself; subclass one of {listed}, which says what it decides from"
    known = attributes(bases[0])
    methods = [name for name in contract.methods if hasattr(bases[0], name)]
    others = {name: other for other in contract.bases for name in attributes(_public(other)) if name not in known}
    return (
        misnamed(cls, bases[0], methods, others)
        or misvalued({name: inspect.getattr_static(cls, name) for name in known}, known)
        or _undefined(cls, contract)
        or (_several(cls, bases[0], contract) if contract.one_of else None)
        or _unfit_methods(cls, {name: contract.methods[name] for name in methods})
        or _unfit_constructor(cls, contract.constructor, typed=contract.typed)
    )


def unmade(kind: str, part: Any) -> str | None:
    """What a constructor left undone, or did wrong; None if nothing."""
    if kind not in CONTRACTS:
        return None
    contract = CONTRACTS[kind]
    if any(name not in vars(part) for name in contract.made):
        return uncalled(kind)
    if kind == "head" and part.pair_encoding != type(part).pair_encoding:
        return "its constructor sets `pair_encoding`, which decides what it is offered; set it in the class"
    base = next(base for base in map(_public, contract.bases or (contract.base,)) if isinstance(part, base))
    reason = misvalued(vars(part), attributes(base))
    return f"its constructor {reason}" if reason else None


def uncalled(kind: str) -> str:
    """What is said of a constructor that does not call its base's, or calls it too late."""
    return f"its constructor does not begin with super().__init__({'tasks' if kind == 'combiner' else ''})"


def _public(name: str) -> type:
    found: type = getattr(import_module("mtk"), name)
    return found


def _undefined(cls: type, contract: Contract) -> str | None:
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    offered = {name: [each for each in contract.methods.get(name, ()) if each not in _COSTLY] for name in missing}
    wanted = ", ".join(f"`{name}({', '.join(('self', *arguments))})`" for name, arguments in offered.items())
    return f"does not define {wanted}" if missing else None


def _several(cls: type, base: type, contract: Contract) -> str | None:
    """What is wrong where a class defines none of the methods that it is to have one of, or more."""
    own = [name for name in contract.methods if getattr(cls, name) is not getattr(base, name)]
    if len(own) == 1:
        return None
    defined = " and ".join(f"`{name}`" for name in own) or "none of its methods"
    choice = ", ".join(f"`{name}({', '.join(('self', *given))})`" for name, given in contract.methods.items())
    return f"defines {defined}; define one of {choice}, which says what it works on"


def _unfit_methods(cls: type, methods: dict[str, tuple[str, ...]]) -> str | None:
    for name, offered in methods.items():
        function = getattr(cls, name)
        if reason := unfit(function, offered):
            return f"has a method `{name}` that cannot be called: {reason}"
        if argument := _misnamed_argument(function, offered):
            return f"has a method `{name}` with {argument}"
    return None


def _unfit_constructor(cls: type, offered: tuple[str, ...], *, typed: bool = False) -> str | None:
    """A constructor that takes something that nobody gives, or options that nobody can."""
    given = names(cls.__init__, offered)  # type: ignore[misc]
    wanted = f"it should be __init__({', '.join(('self', *offered, '*, OPTION=DEFAULT'))})"
    if argument := _misnamed_argument(cls.__init__, offered):  # type: ignore[misc]
        return f"has a constructor with {argument}"
    for parameter in inspect.signature(cls).parameters.values():
        name = parameter.name
        if parameter.kind is parameter.POSITIONAL_ONLY:
            return f"has a constructor whose `{name}` has no name for a caller; {wanted}"
        if parameter.kind is parameter.KEYWORD_ONLY and name in offered:
            return f"has a constructor with `{name}` after the `*`, where a user's options stand; {wanted}"
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name not in given:
            if parameter.default is parameter.empty:
                return f"has a constructor that asks for `{name}`, which nobody gives it; {wanted}"
            return f"has an option `{name}` that nobody can set, since it stands before the `*`; {wanted}"
    for option in options(cls).values():
        if not typed and (reason := option.unreadable()):
            return reason
    return None


def _misnamed_argument(function: Any, offered: tuple[str, ...]) -> str | None:
    """An argument that nearly has the name of one that is offered, and so never gets that."""
    given = names(function, offered)
    for parameter in parameters(function):
        name = parameter.name
        by_place = given.get(name, name) != name  # the first, which may have a name of its own
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and (by_place or name not in given):
            left = [each for each in offered if each not in given.values() or given.get(name) == each]
            close = get_close_matches(name, left, n=1, cutoff=0.75)
            if close and close[0] != given.get(name):
                gets = f"gets `{given[name]}`" if by_place else "is never given"
                return f"an argument `{name}`, which {gets}: is it `{close[0]}`?"
    return None
