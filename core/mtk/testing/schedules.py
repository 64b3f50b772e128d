"""What every schedule promises. Each function is a promise, as `mtk.testing.check.Promise` says."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from hypothesis import strategies as st

from mtk.calling.arguments import named
from mtk.schedule import Schedule
from mtk.testing.check import Check, Subject
from mtk.testing.randomness import global_generators


@dataclass(frozen=True)
class Course:
    """A run of so many steps, of which the first are warm-up."""

    steps: int
    rising: int

    def offered(self, step: int) -> dict[str, Any]:
        """The arguments of `factor`, as a run gives them."""
        left = max(0.0, (self.steps - step) / max(1, self.steps - self.rising))
        return {"left": left, "progress": 1 - left, "step": step, "steps": self.steps}

    @property
    def asked(self) -> range:
        """The steps whose factor is the schedule's. A run asks for that after the last one too."""
        return range(self.rising, self.steps + 1)

    def __str__(self) -> str:
        return f"a run of {self.steps} steps, {self.rising} of them warm-up"


def courses() -> st.SearchStrategy[Course]:
    """From one step to hundreds."""
    steps = st.one_of(st.integers(1, 5), st.integers(1, 400))
    return steps.flatmap(lambda count: st.builds(Course, st.just(count), st.integers(0, count - 1)))


def factors(subject: Subject, course: Course) -> str | None:
    """At every step the factor is a finite number, 0 or more."""
    schedule = subject.build()
    for step in course.asked:
        given = factor(schedule, course, step)
        if not isinstance(given, int | float) or isinstance(given, bool) or not isfinite(given) or given < 0:
            return f"{given!r} at step {step}"
    return None


def some_rate(subject: Subject, course: Course) -> str | None:
    """Some step has a rate: with factors that are all 0 nothing is learned."""
    schedule = subject.build()
    return None if any(factor(schedule, course, step) > 0 for step in course.asked) else "a factor of 0 at every step"


def no_memory(subject: Subject, course: Course) -> str | None:
    """A step's factor depends on what it is given alone: asked in any order, from a fresh instance and with other random
    numbers it is the same. A run that is resumed asks from its middle on."""
    schedule, found = subject.build(), []
    for seed, order in ((0, course.asked), (1, reversed(course.asked))):
        with global_generators(seed):
            found.append({step: factor(schedule, course, step) for step in order})
    fresh = subject.build()
    for step in course.asked:
        one, other, third = (*(of[step] for of in found), factor(fresh, course, step))
        if not one == other == third:
            return f"at step {step} {one}, then {other}, and from a fresh one {third}"
    return None


def checks(subject: Subject) -> list[Check]:
    return [
        Check(subject, factors, courses(), tries=40),
        Check(subject, some_rate, courses(), tries=40),
        Check(subject, no_memory, courses()),
    ]


def factor(schedule: Schedule, course: Course, step: int) -> float:
    return schedule.factor(**named(type(schedule).factor, course.offered(step)))
