"""The hooks: what can be implemented, and that what cannot is refused when it registers."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy
import pytest

import mtk
from mtk import hookspecs

HOOKS = {name: f for name, f in vars(hookspecs).items() if name.startswith("mtk_")}


@pytest.fixture
def plugins() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("mtk")
    manager.add_hookspecs(hookspecs)
    return manager


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_handed_one_public_record(name: str) -> None:
    (argument,) = inspect.signature(HOOKS[name]).parameters.values()
    assert argument.annotation in mtk.__all__
    assert HOOKS[name].__doc__, "the docstring is the manual"


@pytest.mark.parametrize("name", HOOKS)
def test_an_implementation_may_leave_the_record_out(plugins: pluggy.PluginManager, name: str) -> None:
    heard: list[str] = []

    class Ear:
        pass

    setattr(Ear, name, staticmethod(mtk.hookimpl(lambda: heard.append(name))))
    plugins.register(Ear())
    (argument,) = inspect.signature(HOOKS[name]).parameters
    getattr(plugins.hook, name)(**{argument: object()})
    assert heard == [name]


def test_an_argument_or_a_hook_that_there_is_not_is_refused(plugins: pluggy.PluginManager) -> None:
    class Asks:
        @mtk.hookimpl
        def mtk_progressed(self, model: Any) -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="model"):
        plugins.register(Asks())

    class Misspells:
        @mtk.hookimpl
        def mtk_progresed(self) -> None: ...

    plugins.register(Misspells())
    with pytest.raises(pluggy.PluginValidationError, match="mtk_progresed"):
        plugins.check_pending()
