"""Imports that take seconds, without what makes them take longer than they must."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

MANY = 500  # modules; torch is some thousand
_BEFORE_TORCH = "torch" not in sys.modules


@contextmanager
def unsearched() -> Iterator[None]:
    """Nothing is looked through for garbage in here. What torch and transformers make when they are imported, a million
    objects, stays for good, and looking through it over and over takes a fifth of the time. Nor is it afterwards, where
    nobody had torch before mtk: who had may have models by now that are to be garbage one day."""
    was_enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if _BEFORE_TORCH and len(sys.modules) - modules > MANY:
            gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def deferred(name: str, function: str) -> Iterator[None]:
    """What is imported in here gets a `function` of module `name` that imports the module when it is called. Who asks for
    anything else of the module, or for a module in it, has it imported at once, so that nobody finds less than there is."""
    if name in sys.modules:
        yield
        return

    def loaded() -> ModuleType:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return import_module(name)

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(loaded(), function)(*arguments, **named)

    class Places(list[str]):
        """Where its modules are, which nobody asks for but to import one."""

        def __iter__(self) -> Iterator[str]:
            return iter(loaded().__path__)

    def other(asked: str) -> Any:
        if asked.startswith("__"):  # by who goes through all modules, for what is said of one and not what is in it
            raise AttributeError(asked)
        return getattr(loaded(), asked)

    stand_in = ModuleType(name)
    vars(stand_in).update({function: call, "__getattr__": other, "__path__": Places()})
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


def import_transformers() -> None:
    """All that a text encoder needs of it. What its losses of object detection need is left until they are used: SciPy's
    optimizers take as long to import as a third of torch."""
    with unsearched(), deferred("scipy.optimize", "linear_sum_assignment"):
        import_module("transformers.modeling_utils")
