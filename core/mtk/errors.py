"""What a user can get wrong, and how the answer looks: what, where, what to do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What ends a run from outside: Ctrl-C, a scheduler, a terminal that closes."""

INTERRUPTED = 130
"""The exit status that a shell expects of a program that one of them ended."""


class MtkError(Exception):
    """A mistake that one message explains; the command line prints it without a traceback."""

    exit_code = 1
    is_told_here: bool | None = None
    """Whether this process is the one to say it, of several that make one run; None where they have not met, and the first
    one says it."""


class UsageError(MtkError):
    """Something asked for that does not exist or makes no sense: a name, an option, a value."""

    exit_code = 2


class BrokenPartError(UsageError):
    """A part that does not do what its contract says: it is its author who can mend that."""


class DataError(MtkError):
    """Something read that is not as it should be: a corpus, a run directory, a model."""


class NonFiniteError(MtkError):
    """Training came to a number that is infinite or NaN. The weights are as they were before that."""


class LostProcessError(MtkError):
    """Of several processes that train one model together, another one has ended: this one can do nothing by itself."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known ones, or else all of them."""
    known = sorted(known)
    if not known:
        return "There are none."
    close = get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(known)}."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine's memory ran out, or the device's. Told by torch's words, so that it needs no torch."""
    on_cpu = "allocate memory" in str(error)  # torch has no exception of its own for it there
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or on_cpu


SMALLER_STEP = (
    "--recompute keeps less of a step (the same result, in more time). Or make the step smaller: "
    "--accumulate 2 (the same result in two parts), a smaller --batch-size or --max-length, or "
    "--precision bf16."
)


@contextmanager
def out_of_memory_explained(work: Callable[[], str] = str, knob: str = SMALLER_STEP) -> Iterator[None]:
    """Turn running out of memory, on whatever device, into a message that says in which `work` and which knob to turn."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        where = work()
        raise MtkError(f"Out of memory{f' in {where}' if where else ''}. {knob}") from error


def in_words(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, MtkError):  # whose message says it all
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
