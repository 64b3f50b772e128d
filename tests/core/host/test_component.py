"""A component is its name, its origin and its target; what is wrong with it names all three."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mtk
from mtk.errors import BrokenPartError
from mtk.host.component import Component

Install = Callable[..., Path]


def component(target: str, kind: str = "head", hub_id: str = "") -> Component:
    return Component(kind, "rank", target, "s", "ward", "clinic-box", "1.2", hub_id)  # type: ignore[arg-type]


def test_it_is_called_by_package_and_name_and_its_kind_by_a_noun() -> None:
    assert component("a:B").qualified == "clinic-box/rank"
    assert [component("a:B", kind).noun for kind in ("head", "tasks")] == ["head", "task set"]
    assert [component("a:b", kind).is_data for kind in ("head", "command", "tasks", "encoder")] == [False, False, True, True]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "importing clinic:Head failed: ZeroDivisionError: division by zero ({file}:1)"),
        ("import os\nos._exit(0)", "importing clinic:Head failed: SystemExit: it called os._exit(0) ({file}:2)"),
        ("def Head(first): ...", "clinic:Head is a function and not a class; write a subclass of mtk.Head"),
        ("class Other: ...", "importing clinic:Head failed: AttributeError: module 'clinic' has no attribute 'Head'"),
    ],
)
def test_what_cannot_be_loaded_is_its_plugins_fault(install: Install, source: str, reason: str) -> None:
    site = install("clinic-box", {"clinic": source}, {})
    with pytest.raises(BrokenPartError) as caught:
        component("clinic:Head").load()
    expected = "The head 'rank' of plugin 'ward' (clinic-box 1.2) is broken: "
    assert str(caught.value) == expected + reason.format(file=site / "clinic.py")
    assert caught.value.exit_code == mtk.UsageError.exit_code


def test_a_message_of_its_own_goes_through(install: Install) -> None:
    install("clinic-box", {"clinic": "import mtk\nraise mtk.UsageError('pip install extra')"}, {})
    with pytest.raises(mtk.UsageError, match=r"^pip install extra$"):
        component("clinic:Head").load()


def test_what_is_printed_at_its_import_is_no_output(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("clinic-box", {"clinic": "print('hello')\nimport click\ncommand = click.Command('x')"}, {})
    component("clinic:command", "command").load()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_data_is_missing_where_there_is_neither_a_folder_nor_a_place_on_the_hub(install: Install) -> None:
    site = install("clinic-box", {"other": ""}, {})
    (site / "clinic" / "sets").mkdir(parents=True)
    assert component("clinic:sets", "tasks").missing() is None
    assert component("clinic:none", "encoder", "a/b").missing() is None
    assert component("clinic:none", "encoder").missing() == "there is no folder 'none' in an installed package 'clinic'"
    assert (
        component("clinic:sets", "tasks").folder() == component("clinic:sets", "tasks").place() == site / "clinic" / "sets"
    )
    with pytest.raises(BrokenPartError, match="there is no folder 'none'"):
        component("clinic:none", "tasks").folder()
