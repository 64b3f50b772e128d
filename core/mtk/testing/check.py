"""One promise of a contract, held against one component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import FlakyFailure
from hypothesis.strategies import SearchStrategy

from mtk.calling.arguments import named
from mtk.calling.failures import failures
from mtk.calling.source import line_of
from mtk.errors import MtkError, UsageError, in_words

# The same examples everywhere and every time, and no word beside the message. Without `explain`, which traces every line.
_SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    report_multiple_bugs=False,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


class BrokenPromise(AssertionError):  # noqa: N818
    """A component does not do what its contract says: its class, the promise, what was seen with the smallest example
    found, and, where the component raised, the line."""


@dataclass(frozen=True)
class Subject:
    """The class under test, and the options it is built with."""

    component: type[Any]
    options: dict[str, Any]

    def build(self, **offered: Any) -> Any:
        """An instance, given those of the `offered` arguments that its constructor names. Raises UsageError where that
        declines, as the Registry does."""
        try:
            return self.component(**named(self.component.__init__, offered), **self.options)
        except ValueError as error:
            raise UsageError(f"{self} cannot be built: {error}") from error

    def failed(self, error: BaseException) -> str:
        """What it raised, in one line, and the line in its package."""
        return in_words(error) + line_of(error, self.component.__module__)

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.component.__module__}.{self.component.__qualname__}" + (f"({options})" if options else "")


Promise: TypeAlias = Callable[[Subject, Any], str | None]
"""A function that is one promise: its name is the check's, its docstring says what is promised. It gets the component
and an example, and returns what it saw if that breaks the promise."""


@dataclass(frozen=True)
class Check:
    """A promise and a component. `str(check)` is its name; calling it raises BrokenPromise if the component breaks it.

    A component that cannot be had at all, because a corpus is missing or an option makes no sense, raises its own
    MtkError: nothing is known of its promises then.
    """

    subject: Subject
    kept: Promise
    examples: SearchStrategy[Any]
    tries: int = 15  # the most examples that are tried

    @property
    def name(self) -> str:
        return self.kept.__name__.replace("_", "-")

    @property
    def promise(self) -> str:
        """What is promised, in a sentence."""
        return " ".join((self.kept.__doc__ or "").split())

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        __tracebackhide__ = True  # pytest then ends its traceback at the author's own test

        @settings(_SETTINGS, max_examples=self.tries)
        @given(self.examples)
        def search(example: Any) -> None:
            try:
                seen = self.kept(self.subject, example)
            except MtkError:
                raise
            except failures() as error:
                raise _Seen(f"{self.subject.failed(error)}, with {example}") from error
            if seen:
                raise _Seen(f"{seen}, with {example}")

        try:
            search()
        except _Seen as seen:
            raise self._broken(seen) from seen.__cause__
        except FlakyFailure as flaky:  # a component that is random of its own accord did not do it again
            first = next(error for error in flaky.exceptions if isinstance(error, _Seen))
            raise self._broken(first) from first.__cause__

    def _broken(self, seen: _Seen) -> BrokenPromise:
        return BrokenPromise(f"{self.subject} breaks the promise '{self.name}': {self.promise}\nSeen: {seen}.")


class _Seen(Exception):  # noqa: N818
    """What breaks a promise, on its way out of the search."""
