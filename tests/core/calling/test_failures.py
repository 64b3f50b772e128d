"""What a part raises, or gives, becomes one error that names it."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import pytest
import torch

import mtk
from mtk.calling.failures import broken, call, calling, tensor, unheard

CPU = torch.device("cpu")


class Part:
    def ask(self, given: Any, step: Any = None) -> Any:
        if isinstance(given, BaseException):
            raise given
        return given, step


def test_it_is_called_with_what_it_names() -> None:
    assert call(Part(), "ask", losses=3, step=4, examples=5) == (3, 4)


class Panic(BaseException):
    """As Rust's come to Python."""


@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(3), RuntimeError("two\nlines"), Panic("it fell"), CancelledError("enough")]
)
def test_what_it_raises_names_the_part_its_method_and_the_line(error: BaseException) -> None:
    with pytest.raises(mtk.UsageError) as caught:
        call(Part(), "ask", losses=error, on=" on 'a b'")
    text = str(caught.value)
    assert text.startswith(f"{Part.__module__}.Part is broken: its ask failed on 'a b': {type(error).__name__}: ")
    assert "\n" not in text
    assert f"({__file__}:" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), mtk.UsageError("install it"), mtk.DataError("row 3")])
def test_what_is_not_its_fault_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, calling(Part(), "ask"):
        raise error
    assert caught.value is error


def test_what_nobody_needs_to_hear_of_is_all_but_the_user() -> None:
    for error in (Panic(), ValueError(), SystemExit()):
        with unheard():
            raise error
    with pytest.raises(KeyboardInterrupt), unheard():
        raise KeyboardInterrupt


def test_a_tensor_is_of_the_promised_shape_and_on_the_promised_device() -> None:
    good = torch.zeros(2, 3)
    assert tensor(Part(), "ask", good, (2, 3), CPU) is good
    for bad, gave in ((None, "NoneType"), (torch.zeros(3), "[3] on cpu"), (torch.zeros(2, 3, device="meta"), "on meta")):
        with pytest.raises(mtk.UsageError, match=r"its ask promises a tensor \[2, 3\] on cpu, and gave") as caught:
            tensor(Part(), "ask", bad, (2, 3), CPU)
        assert gave in str(caught.value)


def test_where_its_method_begins_is_told() -> None:
    assert str(broken(Part(), "ask", "no")).endswith(f" is broken: no ({__file__}:{Part.ask.__code__.co_firstlineno})")
