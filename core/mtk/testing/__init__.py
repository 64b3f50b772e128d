"""The conformance kit: what every part must satisfy, as checks for a plugin's tests.

    import pytest
    from mtk.testing import checks
    from mtk_bilinear.head import Bilinear

    @pytest.mark.parametrize("check", checks(Bilinear), ids=str)
    def test_bilinear(check):
        check()

A check searches for an example that breaks one promise of the contract, and shrinks what it finds. It needs no pytest:
`check()` raises `BrokenPromise`, and `mtk check PACKAGE` runs the same checks over all that a package brings.

Importing this needs hypothesis, which the extra `test` brings. Raises UsageError without it.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter
from typing import Any

import mtk
from mtk import hookspecs
from mtk.errors import UsageError
from mtk.host.contracts import own_options, why_not

if find_spec("hypothesis") is None:
    raise UsageError("mtk.testing needs hypothesis, which an extra brings: pip install 'multitask-toolkit[test]'")

from mtk.testing.check import BrokenPromise, Check, Subject
from mtk.testing.encoder import tiny_encoder
from mtk.testing.processes import reachable

__all__ = ["CHECKED", "BrokenPromise", "Check", "checks", "tiny_encoder"]


_BASES = {
    "augmenter": "Augmenter",
    "kind": "Kind",
    "head": "Head",
    "combiner": "Combiner",
    "pooling": "Pooling",
    "sampler": "Sampler",
    "schedule": "Schedule",
    "stage": "Stage",
}
"""Kind of part -> its base, a public name of mtk; those that need no torch first."""

CHECKED = (*_BASES, "optimizer", "listener")


def checks(component: type[Any], **options: Any) -> list[Check]:
    """The checks of one component's class, built with `options` wherever they build it: a head, combiner, augmenter, kind,
    pooling, sampler, schedule, stage, a torch.optim.Optimizer, or a listener with run hooks.

    Raises UsageError for a class that is none of these, that does not look like one, or that needs an option which is
    not given, and for a combiner that declares a property which no check knows. A class that another process cannot import,
    such as one of an interactive session, is not checked there, and a warning says so.
    """
    subject = Subject(component, options)
    kind = _kind_of(component)
    if kind is None:
        *others, last = (f"mtk.{base}" for base in _BASES.values())
        raise UsageError(f"{subject} is no {', '.join(others)} or {last}, nor an optimizer of torch's, nor a listener.")
    if reason := why_not(kind, component):
        raise UsageError(f"{subject} {reason}.")
    for option in own_options(kind, component).values():
        if option.default is Parameter.empty and option.name not in options:
            raise UsageError(f"{subject} needs option '{option.name}': write checks(…, {option.name}=…).")
    found: list[Check] = list(import_module(f"mtk.testing.{kind}s").checks(subject))
    if kind in _ELSEWHERE and not reachable(subject):
        warnings.warn(
            f"{subject} is not checked in another process, which cannot import it: define it in a module's outermost level.",
            stacklevel=2,
        )
    return found


_ELSEWHERE = ("augmenter", "head", "combiner", "sampler")  # what is checked in another process too


def _kind_of(component: type) -> str | None:
    found = next((kind for kind, base in _BASES.items() if issubclass(component, getattr(mtk, base))), None)
    if found:
        return found
    if issubclass(component, import_module("torch").optim.Optimizer):
        return "optimizer"
    return "listener" if any(name.startswith("mtk_") and hasattr(hookspecs, name) for name in dir(component)) else None
