"""A part that breaks its promise: the message that names it, its plugin and package, and the line in the plugin.

The code of a plugin is called by `call`, or inside `calling`, and what it gives back goes through `tensor`, so that neither
ends in a traceback through this framework.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mtk.calling.arguments import named
from mtk.calling.source import line_of
from mtk.errors import MtkError, UsageError, in_words, is_out_of_memory

if TYPE_CHECKING:
    import torch


def failures() -> tuple[type[BaseException], ...]:
    """What a plugin's code may do to the program that calls it, for an `except` clause: whatever was raised, a SystemExit, a
    panic in Rust and a task that was cancelled included. Not KeyboardInterrupt: that is the user."""
    return () if isinstance(sys.exception(), KeyboardInterrupt | GeneratorExit) else (BaseException,)


@contextmanager
def unheard() -> Iterator[None]:
    """A plugin's failure in here is no matter."""
    try:
        yield
    except failures():
        pass


def call(part: object, method: str, /, *, on: str = "", **offered: Any) -> Any:
    """Call a part's method with those of the `offered` arguments that it names. What it raises becomes the error that names
    the part; `on` says what it was called with."""
    function = getattr(type(part), method)
    with calling(part, method, on):
        bound = part if method == "forward" else getattr(part, method)  # a module's forward is called through its hooks
        return bound(**named(function, offered))  # type: ignore[operator]


class calling:  # noqa: N801 - a context manager, and a class since many are entered in every step
    """Turn what a part's method raises into the error that names it; `on` says what it was called with. Mistakes that the
    part explains itself, running out of memory and Ctrl-C go through."""

    __slots__ = ("_method", "_on", "_part")

    def __init__(self, part: object, method: str, on: str = "") -> None:
        self._part, self._method, self._on = part, method, on

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, MtkError) or not isinstance(error, failures()) or is_out_of_memory(error):
            return
        part, reason = self._part, f"its {self._method} failed{self._on}: {in_words(error)}"
        line = line_of(error, type(part).__module__)
        raise (_named(part, reason + line) if line else broken(part, self._method, reason)) from error


def broken(part: object, method: str, reason: str) -> UsageError:
    """The error that says how a part failed its promise, and where its method begins."""
    code = getattr(inspect.unwrap(getattr(type(part), method)), "__code__", None)
    return _named(part, f"{reason} ({code.co_filename}:{code.co_firstlineno})" if code else reason)


def tensor(part: object, method: str, value: Any, shape: Sequence[int], device: torch.device) -> Any:
    """`value`, if it is a tensor of this shape on this device. Asking for it does not wait for the device."""
    import torch

    promised = f"a tensor {list(shape)} on {device}"
    if not isinstance(value, torch.Tensor):
        raise broken(part, method, f"its {method} promises {promised}, and gave {type(value).__name__}")
    if value.shape != torch.Size(shape) or value.device != device:
        raise broken(part, method, f"its {method} promises {promised}, and gave {list(value.shape)} on {value.device}")
    return value


def _named(part: object, reason: str) -> UsageError:
    component: Any = getattr(part, "_component", None)  # which the host leaves on what it built
    if component is None:
        return UsageError(f"{type(part).__module__}.{type(part).__qualname__} is broken: {reason}")
    error: UsageError = component.broken(reason)
    return error
