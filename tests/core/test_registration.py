"""What `mtk_register` may say: names and targets are checked as they come, and nothing is imported."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mtk.errors import UsageError
from mtk.registration import Registration

CODE = ["head", "combiner", "augmenter", "pooling", "stage", "listener", "command"]


@pytest.fixture
def registry() -> Registration:
    return Registration("mine", "mtk-mine", "1.2")


@pytest.mark.parametrize("kind", CODE)
def test_a_part_is_kept_with_its_origin_and_not_imported(registry: Registration, kind: str) -> None:
    getattr(registry, kind)("thing", "mtk_nowhere.thing:Thing", summary="a thing")
    (component,) = registry.components
    assert (component.kind, component.name, component.target) == (kind, "thing", "mtk_nowhere.thing:Thing")
    assert (component.plugin, component.package, component.version) == ("mine", "mtk-mine", "1.2")
    assert component.qualified == "mtk-mine/thing"
    assert "mtk_nowhere" not in sys.modules


def test_an_encoder_is_a_folder_or_an_id_of_the_hub_or_both(registry: Registration) -> None:
    registry.encoder("a", "package:folder", summary="")
    registry.encoder("b", hub_id="somebody/b", summary="")
    registry.encoder("c", "package:folder", hub_id="somebody/c", summary="")
    assert [(c.target, c.hub_id) for c in registry.components] == [
        ("package:folder", ""), ("", "somebody/b"), ("package:folder", "somebody/c"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="the target of encoder 'd' is ''"):
        registry.encoder("d", summary="")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a=b", "a,b", "a/b", "a\tb"])
def test_a_name_that_no_command_line_could_hold_is_refused(registry: Registration, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a head"):
        registry.head(name, "m:C", summary="")


@pytest.mark.parametrize("target", ["", "m", "m:", ":C"])
def test_a_target_that_names_no_code_is_refused(registry: Registration, target: str) -> None:
    with pytest.raises(UsageError, match='not "module:Class"'):
        registry.head("x", target, summary="")


@pytest.mark.parametrize("target", ["package", "package.below:folder"])
def test_a_target_that_names_no_folder_is_refused(registry: Registration, target: str) -> None:
    with pytest.raises(UsageError, match='not "package:folder"'):
        registry.tasks("x", target, summary="")


def test_what_is_no_text_is_refused(registry: Registration) -> None:
    anything: Any = dict
    with pytest.raises(UsageError, match="are text"):
        registry.head("x", anything, summary="")


def test_one_name_once_for_each_kind(registry: Registration) -> None:
    registry.head("x", "m:C", summary="")
    registry.combiner("x", "m:C", summary="")
    with pytest.raises(UsageError, match="the head 'x' twice"):
        registry.head("x", "m:D", summary="")
