"""The conformance kit: what every head, combiner, augmenter and kind must satisfy, as checks for a plugin's tests.

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
from typing import TYPE_CHECKING, Any

from mtk.errors import UsageError
from mtk.host.contracts import why_not
from mtk.host.options import options as known_options

if find_spec("hypothesis") is None:
    raise UsageError("mtk.testing needs hypothesis, which an extra brings: pip install 'multitask-toolkit[test]'")

from mtk.testing.check import BrokenPromise, Check, Subject
from mtk.testing.encoder import tiny_encoder
from mtk.testing.processes import reachable

if TYPE_CHECKING:
    from mtk.augmenter import Augmenter
    from mtk.combiner import Combiner
    from mtk.head import Head
    from mtk.kind import Kind

__all__ = ["BrokenPromise", "Check", "checks", "tiny_encoder"]


def checks(component: type[Head | Combiner | Augmenter | Kind], **options: Any) -> list[Check]:
    """The checks of one component's class, built with `options` wherever they build it.

    Raises UsageError for a class that is none of these, that does not look like one, or that needs an option which is
    not given, and for a combiner that declares a property which no check knows. A class that another process cannot import,
    such as one of an interactive session, is not checked there, and a warning says so.
    """
    subject = Subject(component, options)
    bases = {"augmenters": "Augmenter", "kinds": "Kind", "heads": "Head", "combiners": "Combiner"}  # the last need torch
    kinds = (module for module, base in bases.items() if issubclass(component, getattr(import_module("mtk"), base)))
    kind = next(kinds, None)
    if kind is None:
        raise UsageError(
            f"{subject} is neither an mtk.Head, nor one of the combiners, nor an mtk.Augmenter, nor an mtk.Kind."
        )
    if reason := why_not(kind.removesuffix("s"), component):
        raise UsageError(f"{subject} {reason}.")
    for option in known_options(component).values():
        if option.default is Parameter.empty and option.name not in options:
            raise UsageError(f"{subject} needs option '{option.name}': write checks(…, {option.name}=…).")
    if not reachable(subject):
        warnings.warn(
            f"{subject} is not checked in another process, which cannot import it: define it in a module's outermost level.",
            stacklevel=2,
        )
    return list(import_module(f"mtk.testing.{kind}").checks(subject))
