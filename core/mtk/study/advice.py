"""What the figures of runs support, in plain words: whether tasks are in conflict, which one overfits or is starved, whether
a difference is more than noise, and what to try next. Each sentence has its figure, and what no figure supports is not said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, NamedTuple

from mtk.events import Conflict, Evaluation, Progress
from mtk.study import curves
from mtk.study.answers import Calibration
from mtk.study.curves import Curve

Topic = Literal["conflict", "learning", "calibration", "difference", "next"]

TOPICS: dict[Topic, str] = {
    "difference": "Differences",
    "conflict": "Conflict",
    "learning": "Learning",
    "calibration": "Confidence",
    "next": "To try next",
}
ERRORS = 2.0  # standard errors that count as a difference
RISE = 0.05  # by which share of its least value a development loss rises where a task overfits
FALL = 0.02  # by which share it falls between two evaluations where a task still learns
STILL = 0.005  # by which share it falls at most where a task has learned what it will
LONG = 3.0  # times that a gradient is longer than another one and outweighs it
AGAINST = 0.1  # the share of steps that go against a task, from which on it is said
UNSURE = 0.05  # the expected calibration error from which on it is said
WIDEST = 0.5  # of the interval of a share, beyond which too few steps were measured to say anything


class Finding(NamedTuple):
    """A sentence with the figures that support it."""

    topic: Topic
    text: str


@dataclass(frozen=True)
class Course:
    """What is asked of a run to be advised on."""

    combiner: str
    steps: int
    tasks: Sequence[str]
    progress: Sequence[Progress] = ()
    evaluations: Sequence[Evaluation] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)  # by task
    notes: Sequence[str] = ()  # what the run itself pointed out
    asked: bool = False  # whether conflict was to be measured whatever the combiner needs


@dataclass(frozen=True)
class Relations:
    """How the tasks of a run got along, or of several runs of one row."""

    combiner: str
    steps: int
    tasks: Sequence[str]
    asked: bool
    conflict: Conflict | None  # None where it was not measured
    cosines: Mapping[str, float] = field(default_factory=dict)  # "a/b" -> the mean
    lengths: Mapping[str, float] = field(default_factory=dict)  # task -> the mean length of its gradient


class Difference(NamedTuple):
    """A row's score less that of the row it is compared with."""

    row: str
    baseline: str
    value: float
    low: float  # of the 95 % interval over seeds and examples
    high: float
    seeds: int  # in which both were run


def of_run(course: Course) -> list[Finding]:
    """What one run supports."""
    return [
        *of_conflict(relations(course)),
        *of_learning(course),
        *of_calibration(course.calibrations),
        *_pointed_out(course.notes),
    ]


def by_topic(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """The sentences of each topic, by what it is called, in the order in which they are read."""
    found = {name: [finding.text for finding in findings if finding.topic == topic] for topic, name in TOPICS.items()}
    return {name: sentences for name, sentences in found.items() if sentences}


def relations(course: Course) -> Relations:
    """Those that a run told of."""
    told = course.progress
    cosines = _means(curves.cosines(told))
    lengths = _means(curves.by_name((report.step, report.gradient_norms) for report in told))
    conflict = curves.measured(told)
    return Relations(course.combiner, course.steps, course.tasks, course.asked, conflict, cosines, lengths)


def pooled(runs: Sequence[Relations]) -> Relations:
    """Those of several runs as one, each counting the same."""
    first = runs[0]
    return Relations(
        first.combiner,
        sum(run.steps for run in runs),
        first.tasks,
        first.asked,
        curves.merged(run.conflict for run in runs),
        _over([run.cosines for run in runs]),
        _over([run.lengths for run in runs]),
    )


def of_conflict(told: Relations) -> list[Finding]:
    """Whether tasks were in conflict, what the combiner made of it, and whose gradient outweighs the others'."""
    if told.conflict is None:
        return [] if len(told.tasks) < 2 or not told.steps else [_unmeasured(told)]
    pairs, combined = _pairs(told.conflict, told.cosines), _combined(told.conflict, told.combiner)
    return [*pairs, *combined, *_lengths(told.lengths)]


def of_many_conflicts(rows: Mapping[str, Conflict]) -> list[Finding]:
    """The ends of what many rows show, before the combiner and after it."""
    if len(rows) < 2:
        return []
    found = []
    for when in ("before", "after"):
        shares = {name: getattr(conflict, when) for name, conflict in rows.items()}
        low, high = min(shares, key=lambda row: shares[row]), max(shares, key=lambda row: shares[row])
        ends = f"{shares[low]:.0%} ({low}) to {shares[high]:.0%} ({high})"
        text = f"Some task was in conflict {when} the combiner in {ends} of the steps, over {len(rows)} rows"
        found.append(Finding("conflict", f"{text}."))
    return found


def of_learning(course: Course) -> list[Finding]:
    """Which tasks overfit, and which were not done when training was."""
    train, dev = curves.train_losses(course.progress), curves.dev_losses(course.evaluations)
    found: list[Finding] = []
    for task, curve in dev.items():
        found += _overfits(task, curve, train.get(task, []))
    moved = {task: _last_fall(curve) for task, curve in dev.items() if len(curve) > 1 and curve[-2].value > 0}
    learning = {task: fall for task, fall in moved.items() if fall >= FALL}
    done = [task for task, fall in moved.items() if fall <= STILL]
    if len(learning) == len(dev) > 1:
        return [*found, *_all_unfinished(learning)]
    for task in learning:
        found += _unfinished(task, dev[task], done)
    return found


def of_calibration(calibrations: Mapping[str, Calibration]) -> list[Finding]:
    """Whose probabilities cannot be taken at their word."""
    found = []
    for task, told in calibrations.items():
        if told.error >= UNSURE and abs(told.excess) > ERRORS * told.noise:
            how = "too sure of its answers" if told.excess > 0 else "less sure of its answers than it could be"
            side = "above" if told.excess > 0 else "below"
            text = (
                f"{task} is {how}: its mean confidence is {abs(told.excess):.2f} {side} its accuracy on {told.rows:,} rows"
            )
            found.append(Finding("calibration", f"{text} (expected calibration error {told.error:.2f})."))
    return found


def of_differences(
    differences: Sequence[Difference], seeds: Mapping[str, int], spread: float | None = None
) -> list[Finding]:
    """Which rows differ by more than noise. `seeds` are those that each row was run with, and `spread` is the standard
    deviation over seeds of a row's score, where there is one."""
    if len(seeds) < 2 or max(seeds.values()) < 2:
        return [_one_seed(seeds)] if seeds else []
    judged = [d for d in differences if d.seeds > 1]
    found = [_different(d) for d in judged if d.low > 0 or d.high < 0]
    within = [d for d in judged if d.low <= 0 <= d.high]
    if len(within) == 1 or (within and len(judged) <= 3):
        found += map(_alike, within)
    elif within:
        low, high = min(within, key=lambda d: d.value), max(within, key=lambda d: d.value)
        text = f"{len(within)} of {len(judged)} rows differ from {low.baseline} by no more than noise"
        found.append(Finding("difference", f"{text}: from {low.value:+.3f} ({low.row}) to {high.value:+.3f} ({high.row})."))
    if alone := [row for row, count in seeds.items() if count < 2]:
        text = f"{_and(alone)} {'was' if len(alone) == 1 else 'were'} run with 1 seed"
        found.append(Finding("difference", f"{text}: no difference can be judged there."))
    if spread and within:
        count = math.ceil(2 * (ERRORS * spread / 0.01) ** 2)
        text = f"Runs that differ in nothing but their seeds have a standard deviation of {spread:.3f}"
        found.append(Finding("next", f"{text}: to see a difference of 0.01, a row takes some {max(count, 2):,} seeds."))
    return found


def _unmeasured(told: Relations) -> Finding:
    text = f"Conflict was measured in 0 of {told.steps:,} steps"
    if told.asked:
        return Finding("conflict", f"{text}: with {told.combiner} no two tasks share one.")
    return Finding(
        "next", f"{text}: --cosines encoder measures it whatever the combiner, --cosines layer in each layer too."
    )


def _pairs(conflict: Conflict, cosines: Mapping[str, float]) -> Iterable[Finding]:
    """Which two tasks want the opposite more often than not, or that none do."""
    ranges = {pair: interval(share, conflict.steps) for pair, share in conflict.pairs.items()}
    opposed = [pair for pair, (low, _) in ranges.items() if low > 0.5]
    for pair in sorted(opposed, key=lambda pair: -conflict.pairs[pair]):
        yield Finding("conflict", f"{_named(pair)} pull against each other: {_told(pair, conflict, cosines)}.")
    if opposed or not ranges:
        return
    worst = max(conflict.pairs, key=lambda pair: conflict.pairs[pair])
    low, high = ranges[worst]
    if high - low > WIDEST:
        return
    told = _told(worst, conflict, cosines)
    if high < 0.5:
        text = f"No two tasks pull against each other on the whole; the nearest to it are {_named(worst)}: {told}"
    else:
        text = f"{_named(worst)} are near a right angle, and no two tasks are nearer to conflict: {told}"
    yield Finding("conflict", f"{text}.")


def _combined(conflict: Conflict, combiner: str) -> Iterable[Finding]:
    """What the combiner made of the conflict in single steps, and who was outvoted."""
    steps, before, after = conflict.steps, conflict.before, conflict.after
    if before:
        text = f"In {before:.0%} of {steps:,} steps the gradients of some two tasks opposed each other"
        yield Finding("conflict", f"{text}; after {combiner}, {after:.0%} of the steps went against a task.")
    for task, share in sorted(conflict.tasks.items(), key=lambda item: -item[1]):
        if interval(share, steps)[0] > AGAINST:
            yield Finding("conflict", f"{task} was outvoted: {share:.0%} of {steps:,} steps went against its own gradient.")
    if interval(after, steps)[0] > AGAINST:
        text = f"Compare with a combiner that is never against a task (mtk list combiner): {after:.0%} of the steps were"
        yield Finding("next", f"{text}.")
    elif interval(before, steps)[1] < AGAINST:
        text = f"There is little for gradient surgery to mend, with conflict in {before:.0%} of the steps"
        yield Finding("next", f"{text}: sampling, heads and rates may matter more.")


def _lengths(lengths: Mapping[str, float]) -> Iterable[Finding]:
    if len(lengths) < 2 or min(lengths.values()) <= 0:
        return
    short, long = min(lengths, key=lambda t: lengths[t]), max(lengths, key=lambda t: lengths[t])
    ratio = lengths[long] / lengths[short]
    if ratio >= LONG:
        text = f"The gradient of {long} is {ratio:.1f} times as long as that of {short} ({lengths[long]:.3g} and"
        yield Finding("conflict", f"{text} {lengths[short]:.3g}): in a plain sum {short} has little say.")


def _overfits(task: str, dev: Curve, train: Curve) -> Iterable[Finding]:
    if len(dev) < 2:
        return
    least = min(dev, key=lambda point: point.value)
    last, place = dev[-1], dev.index(least)
    if least.value <= 0 or last.value < least.value * (1 + RISE):
        return
    before = curves.mean_between(train, dev[place - 1].step if place else 0, least.step)
    after = curves.mean_between(train, dev[-2].step, last.step)
    if before is None or after is None or after >= before:
        return
    rose = (
        f"its development loss rose from {least.value:.3f} at step {least.step:,} to {last.value:.3f} at step {last.step:,}"
    )
    text = f"{task} overfits: {rose}, while its training loss fell from {before:.3f} to {after:.3f}"
    yield Finding("learning", f"{text}.")
    text = f"For {task}, try more dropout or augmentation, a smaller share of the steps, or an end near step {least.step:,}"
    yield Finding("next", f"{text}.")


def _all_unfinished(falls: Mapping[str, float]) -> Iterable[Finding]:
    told = ", ".join(f"{task} {fall:.0%}" for task, fall in falls.items())
    text = f"Every task was still learning: between the last two evaluations development losses fell ({told})"
    yield Finding("learning", f"{text}.")
    yield Finding(
        "next", f"Train longer: no task's development loss fell by less than {min(falls.values()):.0%} at the end."
    )


def _unfinished(task: str, dev: Curve, done: Sequence[str]) -> Iterable[Finding]:
    before, last = dev[-2], dev[-1]
    told = f"its development loss still fell from {before.value:.3f} at step {before.step:,} to {last.value:.3f} at the end"
    if not done:
        yield Finding("learning", f"{task} was still learning: {told}.")
        return
    others = f"while {'that' if len(done) == 1 else 'those'} of {_and(done)} fell no more"
    yield Finding("learning", f"{task} is starved: {told}, {others}.")
    text = f"Give {task} more of the steps (--sampler, a larger --batch-size {task}=N)"
    yield Finding("next", f"{text}: it gained {_last_fall(dev):.0%} where the others stood still.")


def _pointed_out(notes: Sequence[str]) -> Iterable[Finding]:
    for note in notes:
        if re.search(r"\d", note):
            yield Finding("learning", note if note.endswith(".") else f"{note}.")


def _one_seed(seeds: Mapping[str, int]) -> Finding:
    if len(seeds) == 1:
        count = next(iter(seeds.values()))
        what = f"{count} seed{'s' * (count > 1)} of one row"
        return Finding("difference", f"{what}: there is nothing to compare it with, and no difference can be judged.")
    text = f"1 seed a row, {len(seeds)} rows: no difference between them can be judged. Repeat them with --seed 0,1,2"
    return Finding("difference", f"{text}.")


def _different(d: Difference) -> Finding:
    how = "better" if d.value > 0 else "worse"
    text = f"{d.row} is {how} than {d.baseline} by {abs(d.value):.3f}: {_interval(d)}"
    return Finding("difference", f"{text}.")


def _alike(d: Difference) -> Finding:
    return Finding("difference", f"{d.row} and {d.baseline} differ by no more than noise: {d.value:+.3f}, {_interval(d)}.")


def _interval(d: Difference) -> str:
    return f"95 % interval {d.low:+.3f} to {d.high:+.3f}, {d.seeds} seeds"


def interval(share: float, count: int) -> tuple[float, float]:
    """Between which values a share lies of which so many trials showed this one: two standard errors (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z = ERRORS * ERRORS / count
    middle = (share + z / 2) / (1 + z)
    half = math.sqrt(max(0.0, share * (1 - share) * z + z * z / 4)) / (1 + z)
    return max(0.0, middle - half), min(1.0, middle + half)


def _last_fall(curve: Curve) -> float:
    return 1 - curve[-1].value / curve[-2].value


def _means(found: Mapping[str, Curve]) -> dict[str, float]:
    return {name: mean for name, curve in found.items() if (mean := curves.mean(curve)) is not None}


def _over(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: fmean([run[name] for run in runs if name in run]) for name in names}


def _told(pair: str, conflict: Conflict, cosines: Mapping[str, float]) -> str:
    share = f"their gradients opposed each other in {conflict.pairs[pair]:.0%} of {conflict.steps:,} steps"
    return f"{share}, with a mean cosine of {cosines[pair]:+.3f}" if pair in cosines else share


def _named(pair: str) -> str:
    return pair.replace("/", " and ")


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
