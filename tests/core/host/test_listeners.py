"""Who hears of a run: everyone who asked, the caller's own code included, and no stranger's failure stops it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mtk
from mtk.events import Evaluation
from mtk.host.listeners import Listeners
from mtk.host.registry import Registry

Install = Callable[..., Path]

EVALUATION = Evaluation(step=1, epoch=1, metrics={"sst": {"accuracy": 0.5}}, average=0.5, best=True)

PLUGIN = """
import mtk

heard = []

@mtk.hookimpl
def mtk_register(registry):
    registry.listener("ear", "clinic:Ear", summary="s")

class Ear:
    def __init__(self, *, name: str = "ear"):
        self.name = name

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation):
        heard.append((self.name, evaluation.average))

@mtk.hookimpl
def mtk_evaluated(evaluation):
    heard.append(("plugin", evaluation.average))
    if evaluation.epoch == 2:
        raise OSError("deaf")
"""


class Own:
    def __init__(self) -> None:
        self.heard: list[Evaluation] = []

    @mtk.hookimpl
    def mtk_evaluated(self, evaluation: Evaluation) -> None:
        self.heard.append(evaluation)
        if evaluation.epoch == 3:
            raise ValueError("enough")


def listeners(names: list[str]) -> Listeners:
    registry = Registry()
    return Listeners(registry, [registry.part("listener", name) for name in names])


def test_plugins_named_listeners_and_the_callers_own_hear_the_same_record(install: Install) -> None:
    install("clinic", {"clinic": PLUGIN})
    hearing, own = listeners(["ear", "ear:name=second"]), Own()
    hearing.join(own)
    hearing.tell("mtk_evaluated", evaluation=EVALUATION)
    assert own.heard[0] is EVALUATION
    assert sys.modules["clinic"].heard == [("second", 0.5), ("ear", 0.5), ("plugin", 0.5)]


def test_each_run_has_its_own_listeners(install: Install) -> None:
    install("clinic", {"clinic": PLUGIN})
    own = Own()
    listeners(["ear"]).join(own)
    listeners([]).tell("mtk_evaluated", evaluation=EVALUATION)
    assert own.heard == []
    assert sys.modules["clinic"].heard == [("plugin", 0.5)]


def test_a_plugin_that_fails_hears_no_more_and_the_others_do(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    site = install("clinic", {"clinic": PLUGIN})
    hearing = listeners(["ear"])
    for epoch in (1, 2, 2):
        hearing.tell("mtk_evaluated", evaluation=Evaluation(step=1, epoch=epoch, metrics={}, average=epoch, best=True))
    assert [name for name, _ in sys.modules["clinic"].heard] == ["ear", "plugin", "ear", "plugin", "ear"]
    (warning,) = caplog.messages
    assert warning.startswith("The plugin 'clinic' (clinic 1.2) failed in mtk_evaluated and hears no more of this run: ")
    assert warning.endswith(f"OSError: deaf ({site / 'clinic.py'}:22)")


def test_what_the_callers_own_listener_raises_is_the_callers() -> None:
    hearing = listeners([])
    hearing.join(Own())
    with pytest.raises(ValueError, match="enough"):
        hearing.tell("mtk_evaluated", evaluation=Evaluation(step=1, epoch=3, metrics={}, average=0, best=True))


def test_an_unknown_listener_is_answered_with_the_nearest() -> None:
    with pytest.raises(mtk.UsageError, match=r"There is no listener 'tensorbord'\. Did you mean tensorboard\?"):
        listeners(["tensorbord"])
