"""A run's sections are of what it recorded: its curves, its conflicts, its answers, and words where it recorded none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtk.events import Conflict, Progress
from mtk.study.advice import Course
from mtk.study.advised import course_of
from mtk.study.record import read_run
from mtk.study.report import of_run
from mtk.study.report.blocks import Beside, Charts, Facts, Section, Table, Text
from mtk.study.report.of_run import duration, short
from mtk.training.development import Answers


def titles(section: Section) -> list[str]:
    return [chart.title for block in section.blocks if isinstance(block, Charts) for chart in block.charts]


def tables(section: Section) -> list[Table]:
    found = [block.tables if isinstance(block, Beside) else [block] for block in section.blocks]
    return [table for tables in found for table in tables if isinstance(table, Table)]


@pytest.fixture(scope="module")
def sections(run: Path) -> dict[str, Section]:
    return {section.title: section for section in of_run.sections(read_run(run))}


def test_it_begins_with_the_scores_of_the_model_that_was_kept(run: Path, sections: dict[str, Section]) -> None:
    best = read_run(run).best
    facts = next(block.facts for block in sections["In short"].blocks if isinstance(block, Facts))
    assert best and ("average", f"{best.average:.4f}", "best of 2 evaluations") in facts
    assert ("sst", f"{best.metrics['sst']['accuracy']:.4f}", "accuracy") in facts


def test_every_task_has_its_losses_and_its_score(sections: dict[str, Section]) -> None:
    shown = titles(sections["How it learned"])
    assert shown[:6] == ["sst: loss", "para: loss", "sts: loss", "sst: accuracy", "para: accuracy", "sts: pearson"]
    assert shown[6:] == ["Learning rate of the encoder", "Examples a second"]
    evaluations = tables(sections["How it learned"])[0]
    assert len(evaluations.rows) == 2 and evaluations.head[-1] == "average"


def test_the_conflict_picture_has_every_pair_before_after_and_by_layer(run: Path, sections: dict[str, Section]) -> None:
    section = sections["How the tasks got along"]
    pairs = ["sst and para", "sst and sts", "para and sts"]
    assert titles(section) == [*pairs, "Steps in conflict", "Steps in conflict by layer", *pairs]
    before, after = tables(section)
    assert [row[0] for row in before.rows] == pairs and [row[0] for row in after.rows] == ["sst", "para", "sts"]
    conflicts = [report.conflict for report in read_run(run).told().progress if report.conflict]
    steps = sum(conflict.steps for conflict in conflicts)
    share = sum(conflict.steps * conflict.pairs["sst/para"] for conflict in conflicts) / steps
    assert before.rows[0][1] == f"{share:.1%}"


def test_answers_are_shown_by_task_with_their_texts(sections: dict[str, Section]) -> None:
    section = sections["What it answered"]
    confidence = "Can its confidence be trusted?"
    assert titles(section) == ["Labels and answers", confidence, "Labels and answers", confidence, "Labels and predictions"]
    worst = tables(section)
    assert list(worst[0].head) == ["text", "label", "answered", "confidence"]
    assert list(worst[-1].head) == ["first text", "second text", "label", "predicted", "off by"]
    assert all(row[0].startswith("the ") and row[1] != row[2] and row[1] in ("bad", "fine", "good") for row in worst[0].rows)


def test_a_run_without_a_gramian_says_how_to_measure(study: Path) -> None:
    run = read_run(study / "plain-0")
    section = of_run.getting_along(course_of(run, run.told()))
    assert section.blocks == () and "did not measure it" in section.lead and "--cosines layer" in section.lead


def test_a_run_of_before_has_what_it_told() -> None:
    """Recorded by 0.1: no plan, no answers, no conflict."""
    run = read_run(Path(__file__).parents[3] / "runs" / "format-1")
    titles = [section.title for section in of_run.sections(run)]
    assert titles == ["In short", "How it learned", "How the tasks got along", "What it answered", "What it was"]


def test_of_many_tasks_the_most_opposed_are_drawn_and_all_are_told() -> None:
    tasks = [f"t{number}" for number in range(7)]
    cosines = {f"{one}/{other}": (i - j) / 10 for i, one in enumerate(tasks) for j, other in enumerate(tasks[:i])}
    told = Conflict(steps=9, before=1.0, after=0.5, pairs=dict.fromkeys(cosines, 0.5), tasks=dict.fromkeys(tasks, 0.1))
    report = Progress(
        step=9, steps=9, epoch=1, losses={}, learning_rate=0.0, examples_per_second=0.0, cosines=cosines, conflict=told
    )
    section = of_run.getting_along(Course("sum", 9, tasks, [report]))
    shown = titles(section)[:-1]
    near = [pair.replace("/", " and ") for pair, cosine in cosines.items() if cosine < 0.35]
    assert len(shown) == 12 and set(shown) <= set(near)
    assert any(isinstance(block, Text) and "12 most opposed of 21 pairs" in block.text for block in section.blocks)
    assert max(len(table.rows) for table in tables(section)) == 21


def answers(labels: list[float], classes: int = 0) -> Answers:
    """Of labels that were all answered as the next one."""
    truth = np.array(labels, dtype=np.float64)
    said = (truth + 1) % classes if classes else truth + 1
    likely = np.eye(classes)[said.astype(int)] if classes else None
    return Answers([f"row-{number}" for number in range(len(labels))], truth, said, likely)


def test_many_classes_have_a_list_and_few_a_matrix() -> None:
    many, few = answers([*map(float, range(20)), 3.0], 20), answers([0.0, 1.0], 2)
    table = next(block for block in of_run._of_set(many, (), None) if isinstance(block, Table))
    assert table.rows[0] == ["3", "4", "2"] and len(table.rows) == 12
    shown = [block for block in of_run._of_set(few, ("no", "yes"), None) if isinstance(block, Charts)]
    assert [chart.title for chart in shown[0].charts] == ["Labels and answers"]


def test_without_texts_an_answer_is_known_by_its_row() -> None:
    table = of_run._worst(answers([0.0, 1.0], 2), ("no", "yes"), None)
    assert table and list(table.head) == ["example", "label", "answered", "confidence"]
    assert table.rows[0] == ["row-0", "no", "yes", "100%"]
    scores = of_run._worst(answers([0.5, 1.5]), (), [("a " * 400,), ("b",)])
    assert scores and scores.rows[0][1:] == ["0.50", "1.50", "1.00"] and len(scores.rows[0][0]) < 330


def test_several_labels_a_row_have_no_matrix() -> None:
    several = Answers(["a"], np.zeros((1, 3)), np.zeros((1, 3)))
    assert [type(block) for block in of_run._of_set(several, (), None)] == [Text]
    assert of_run._worst(several, (), None) is None


def test_shares_are_of_stretches_long_enough() -> None:
    def report(step: int) -> Progress:
        share = float(step % 2)
        told = Conflict(steps=1, before=share, after=0.0, pairs={"a/b": share}, tasks={})
        return Progress(step=step, steps=100, epoch=1, losses={}, learning_rate=0.0, examples_per_second=0.0, conflict=told)

    before, after = of_run._shares([report(step) for step in range(1, 101)])
    assert len(before) == len(after) == 10 and {point.value for point in before} == {0.5}


@pytest.mark.parametrize(("seconds", "words"), [(12.3, "12 s"), (120, "2 min"), (7200, "2 h 0 min"), (9999, "2 h 47 min")])
def test_durations_are_told_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_layers_are_called_by_their_number() -> None:
    assert [short(layer) for layer in ("encoder.layer.3", "layers.0", "embeddings")] == ["layer 3", "layer 0", "embeddings"]
