"""A part that breaks its promise: the message that names it, its plugin and package, and the line in the plugin.

The code of a plugin is called inside `calling`, and what it gives back goes through `tensor`, so that neither ends in a
traceback through this framework.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mtk.errors import MtkError, UsageError, in_words, is_out_of_memory
from mtk.places import line_of
from mtk.registry import FAILURES, Component

if TYPE_CHECKING:
    import torch


def broken(part: object, method: str, reason: str) -> UsageError:
    """The error that says how a head, combiner, augmenter or listener failed its promise, and where its method begins."""
    code = getattr(inspect.unwrap(getattr(type(part), method)), "__code__", None)
    return _named(part, f"{reason} ({code.co_filename}:{code.co_firstlineno})" if code else reason)


@contextmanager
def calling(part: object, method: str, on: str = "") -> Iterator[None]:
    """Turn what a part's method raises into that error; `on` says what it was called with. Mistakes that the part explains
    itself, running out of memory and Ctrl-C go through."""
    try:
        yield
    except MtkError:
        raise
    except FAILURES as error:
        if is_out_of_memory(error):
            raise
        reason = f"its {method} failed{on}: {in_words(error)}"
        line = line_of(error, type(part).__module__)
        raise (_named(part, reason + line) if line else broken(part, method, reason)) from error


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
    component: Component | None = getattr(part, "_component", None)  # which `Registry.build` leaves on what it built
    if component is None:
        return UsageError(f"{type(part).__module__}.{type(part).__qualname__} is broken: {reason}")
    return component.broken(reason)
