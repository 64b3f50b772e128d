"""A method takes those of its arguments that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mtk.calling.arguments import in_order, named, parameters, unfit

OFFERED = {"gramian": "G", "step": "S"}


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda gramian: 0, {"gramian": "G"}),
        (lambda gramian, step: 0, {"gramian": "G", "step": "S"}),
        (lambda step: 0, {"step": "S"}),
        (lambda step, gramian: 0, {"gramian": "G", "step": "S"}),
        (lambda matrix: 0, {"matrix": "G"}),  # the first may have a name of its own
        (lambda matrix, step: 0, {"matrix": "G", "step": "S"}),
        (lambda gramian, *, step: 0, {"gramian": "G", "step": "S"}),
        (lambda gramian, scale=2: 0, {"gramian": "G"}),
        (lambda scale=2: 0, {}),
        (lambda: 0, {}),
        (lambda **rest: 0, {"gramian": "G", "step": "S"}),
        (lambda matrix, **rest: 0, {"matrix": "G", "step": "S"}),
        (lambda gramian, *args: 0, {"gramian": "G"}),
    ],
)
def test_it_is_given_what_it_names(function: Callable[..., Any], given: dict[str, str]) -> None:
    assert named(function, OFFERED) == given
    assert unfit(function, OFFERED) is None
    function(**given)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda gramian, losses: 0, "it asks for `losses`, and it is offered gramian, step"),
        (lambda gramian, *, losses: 0, "it asks for `losses`, and it is offered gramian, step"),
        (lambda step, matrix: 0, "it asks for `matrix`, and it is offered gramian, step"),
        (lambda gramian, /: 0, "its argument `gramian` has no name for a caller; take out the `/`"),
    ],
)
def test_what_asks_for_more_does_not_fit(function: Callable[..., Any], reason: str) -> None:
    assert unfit(function, OFFERED) == reason


def test_self_is_no_argument_and_a_class_without_a_constructor_takes_none() -> None:
    class Plain:
        def method(self, gramian: object) -> None: ...

    assert [p.name for p in parameters(Plain.method)] == ["gramian"]
    assert parameters(Plain.__init__) == ()


class Asked:
    def both(self, gramian: str, step: str) -> tuple[str, ...]:
        return gramian, step

    def turned(self, step: str, gramian: str) -> tuple[str, ...]:
        return gramian, step

    def named(self, matrix: str, *, step: str) -> tuple[str, ...]:
        return matrix, step

    def last(self, step: str) -> str:
        return step

    def any(self, **rest: str) -> dict[str, str]:
        return rest


def test_what_is_called_in_order_is_given_what_it_names() -> None:
    asked, offered = Asked(), ("gramian", "step")
    for method in (asked.both, asked.turned, asked.named):
        assert in_order(method, offered)("G", "S") == ("G", "S")
    assert in_order(asked.last, offered)("G", "S") == "S"
    assert in_order(asked.any, offered)("G", "S") == OFFERED
