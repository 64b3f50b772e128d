"""Advice says what is there and nothing else, on made-up records: a conflict that is there is said, and none is not; each
sentence has its figure, and where nothing is supported there is silence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtk.events import Conflict, Evaluation, Progress
from mtk.study.advice import (
    Course,
    Difference,
    Finding,
    Topic,
    by_topic,
    interval,
    of_calibration,
    of_conflict,
    of_differences,
    of_learning,
    of_many_conflicts,
    of_run,
    pooled,
    relations,
)
from mtk.study.answers import Calibration

STEPS = 200
shares = st.floats(0, 1)


def course(
    train: dict[str, Sequence[float]] | None = None,
    dev: dict[str, Sequence[float]] | None = None,
    conflict: Conflict | None = None,
    cosine: float = 0.0,
    lengths: dict[str, float] | None = None,
    **told: object,
) -> Course:
    """A run whose reports and evaluations come together, ten steps apart."""
    train, dev = train or {}, dev or {}
    count = max([len(values) for values in (*train.values(), *dev.values())], default=1)
    steps = [10 * (number + 1) for number in range(count)]
    progress = [
        Progress(
            step=step,
            steps=10 * count,
            epoch=1,
            losses={task: values[number] for task, values in train.items()},
            learning_rate=0.1,
            examples_per_second=1.0,
            cosines=dict.fromkeys(conflict.pairs, cosine) if conflict else {},
            conflict=conflict,
            gradient_norms=lengths or {},
        )
        for number, step in enumerate(steps)
    ]
    evaluated = [(step, {task: values[number] for task, values in dev.items()}) for number, step in enumerate(steps)]
    evaluations = [
        Evaluation(step=step, epoch=1, metrics={}, average=0.0, best=False, losses=losses) for step, losses in evaluated
    ]
    return Course("pcgrad", 10 * count, ["a", "b"], progress, evaluations, **told)  # type: ignore[arg-type]


def conflict(share: float, after: float = 0.0, steps: int = STEPS) -> Conflict:
    return Conflict(steps=steps, before=share, after=after, pairs={"a/b": share}, tasks={"a": after, "b": 0.0})


def said(findings: Sequence[Finding], topic: Topic | None = None) -> str:
    return " ".join(finding.text for finding in findings if topic in (None, finding.topic))


@given(shares, shares, st.integers(1, 2000))
def test_a_conflict_that_is_there_is_said_and_none_is_not(share: float, after: float, steps: int) -> None:
    text = said(of_conflict(relations(course(conflict=conflict(share, after, steps), cosine=-0.1 if share > 0.5 else 0.1))))
    low, high = interval(share, steps)
    assert ("a and b pull against each other:" in text) == (low > 0.5)
    assert ("No two tasks pull against each other" in text) == (high < 0.5 and high - low <= 0.5)


def test_a_conflict_is_told_with_its_share_its_steps_and_its_cosine() -> None:
    text = said(of_conflict(relations(course(conflict=conflict(0.8, 0.0), cosine=-0.12))))
    assert "a and b pull against each other: their gradients opposed each other in 80% of 200 steps" in text
    assert "a mean cosine of -0.120" in text
    assert "after pcgrad, 0% of the steps went against a task" in text
    assert "outvoted" not in text


def test_who_is_outvoted_is_said_and_what_to_try() -> None:
    found = of_conflict(relations(course(conflict=conflict(0.8, 0.6))))
    assert "a was outvoted: 60% of 200 steps went against its own gradient." in said(found)
    assert "b was" not in said(found)
    assert "60% of the steps were" in said(found, "next")


def test_where_nobody_is_in_conflict_surgery_is_not_advised() -> None:
    assert "little for gradient surgery to mend" in said(of_conflict(relations(course(conflict=conflict(0.01)))), "next")


def test_of_a_few_steps_nothing_is_said() -> None:
    assert "each other:" not in said(of_conflict(relations(course(conflict=conflict(1.0, steps=2)))))
    assert "No two tasks" not in said(of_conflict(relations(course(conflict=conflict(0.0, steps=1)))))


def test_a_run_that_did_not_measure_says_how_to() -> None:
    assert "0 of 10 steps: --cosines encoder" in said(of_conflict(relations(course())))
    assert "no two tasks share one" in said(of_conflict(relations(course(asked=True))))
    alone = Course("sum", 10, ["a"])
    assert of_run(alone) == []


def test_a_gradient_that_outweighs_the_others_is_said() -> None:
    assert "a is 4.0 times as long as that of b (2 and 0.5)" in said(
        of_conflict(relations(course(conflict=conflict(0.5), lengths={"a": 2.0, "b": 0.5})))
    )
    assert "as long" not in said(of_conflict(relations(course(conflict=conflict(0.5), lengths={"a": 1.0, "b": 0.5}))))


def test_of_many_rows_the_ends_are_told() -> None:
    found = of_many_conflicts({"x": conflict(0.8, 0.3), "y": conflict(0.2, 0.1), "z": conflict(0.5, 0.6)})
    assert said(found) == (
        "Some task was in conflict before the combiner in 20% (y) to 80% (x) of the steps, over 3 rows. "
        "Some task was in conflict after the combiner in 10% (y) to 60% (z) of the steps, over 3 rows."
    )
    assert of_many_conflicts({"x": conflict(0.8)}) == []


def test_runs_of_a_row_are_judged_together() -> None:
    found = pooled([relations(course(conflict=conflict(share, steps=100), cosine=share)) for share in (0.2, 0.6)])
    assert found.conflict and (found.conflict.steps, found.conflict.pairs["a/b"]) == (200, pytest.approx(0.4))
    assert found.cosines == {"a/b": pytest.approx(0.4)}


def test_overfitting_is_a_development_loss_that_rises_while_the_training_loss_falls() -> None:
    text = said(of_learning(course(train={"a": [1.0, 0.8, 0.4]}, dev={"a": [1.0, 0.9, 1.1]})))
    assert "a overfits: its development loss rose from 0.900 at step 20 to 1.100 at step 30" in text
    assert "while its training loss fell from 0.800 to 0.400" in text
    assert "an end near step 20" in text
    assert "overfits" not in said(of_learning(course(train={"a": [1.0, 0.8, 0.9]}, dev={"a": [1.0, 0.9, 1.1]})))
    assert "overfits" not in said(of_learning(course(train={"a": [1.0, 0.8, 0.4]}, dev={"a": [1.0, 0.9, 0.91]})))


def test_a_task_is_starved_that_still_learns_where_another_is_done() -> None:
    text = said(of_learning(course(dev={"a": [2.0, 1.0], "b": [1.0, 1.0]})))
    assert "a is starved: its development loss still fell from 2.000 at step 10 to 1.000 at the end, while that of b" in text
    assert "--batch-size a=N" in text and "50%" in text
    both = said(of_learning(course(dev={"a": [2.0, 1.0], "b": [1.0, 0.9]})))
    assert "Every task was still learning" in both and "(a 50%, b 10%)" in both and "starved" not in both
    assert of_learning(course(dev={"a": [1.0, 1.0], "b": [1.0, 1.0]})) == []


@given(
    st.lists(st.floats(0.01, 5), min_size=1, max_size=6),
    st.lists(st.floats(0.01, 5), min_size=6, max_size=6),
    st.floats(0, 1),
    st.integers(0, 300),
)
def test_no_sentence_is_without_its_figure(dev: list[float], train: list[float], share: float, steps: int) -> None:
    losses = {"a": train[: len(dev)], "b": train[: len(dev)][::-1]}
    told = course(losses, {"a": dev, "b": dev[::-1]}, conflict(share, share / 2, steps), notes=["a: it was 0.1", "b: no"])
    for finding in of_run(told):
        assert re.search(r"\d", finding.text) and finding.text.endswith("."), finding
        assert "nan" not in finding.text and finding.text != "b: no."


def test_confidence_is_judged_beyond_its_noise() -> None:
    def told(error: float, excess: float, noise: float) -> str:
        return said(of_calibration({"a": Calibration([], error, excess, noise, 150)}))

    assert "a is too sure of its answers: its mean confidence is 0.20 above its accuracy on 150 rows" in told(0.2, 0.2, 0.01)
    assert "less sure of its answers than it could be" in told(0.2, -0.2, 0.01)
    assert told(0.2, 0.2, 0.15) == told(0.01, 0.01, 0.001) == ""


def difference(value: float, half: float, row: str = "x", seeds: int = 3) -> Difference:
    return Difference(row, "base", value, value - half, value + half, seeds)


@given(st.floats(-0.2, 0.2), st.floats(0.001, 0.3))
def test_a_difference_is_one_where_its_interval_says_so(value: float, half: float) -> None:
    text = said(of_differences([difference(value, half)], {"base": 3, "x": 3}))
    beyond = abs(value) > half
    assert ("by no more than noise" in text) != beyond
    assert ("better" in text, "worse" in text) == (beyond and value > 0, beyond and value < 0)


def test_one_seed_judges_nothing() -> None:
    found = of_differences([difference(0.1, 0.01, seeds=1)], {"base": 1, "x": 1})
    assert said(found) == "1 seed a row, 2 rows: no difference between them can be judged. Repeat them with --seed 0,1,2."
    assert "no difference can be judged" in said(of_differences([], {"base": 3}))
    assert of_differences([], {}) == []
    some = said(of_differences([difference(0.1, 0.01, "y", seeds=1)], {"base": 3, "x": 3, "y": 1}))
    assert some == "y was run with 1 seed: no difference can be judged there."


def test_many_rows_within_noise_are_one_sentence() -> None:
    rows = [difference(number / 1000, 1.0, f"r{number}") for number in range(6)]
    found = of_differences(rows, {"base": 3} | {f"r{number}": 3 for number in range(6)}, spread=0.01)
    assert "6 of 6 rows differ from base by no more than noise: from +0.000 (r0) to +0.005 (r5)." in said(found)
    assert "standard deviation of 0.010: to see a difference of 0.01, a row takes some 8 seeds" in said(found, "next")


def test_topics_come_in_the_order_of_reading() -> None:
    found = by_topic([Finding("next", "2."), Finding("conflict", "1."), Finding("next", "3.")])
    assert list(found.items()) == [("Conflict", ["1."]), ("To try next", ["2.", "3."])]
