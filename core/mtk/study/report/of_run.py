"""What a report shows of one run: how it learned, how its tasks got along, what it answered, and what it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from mtk.events import Evaluation, Progress
from mtk.study import answers as looked
from mtk.study import curves
from mtk.study.advice import Course, Finding, by_topic, of_run
from mtk.study.advised import calibrations, course_of, tasks_of
from mtk.study.answers import Calibration, Miss
from mtk.study.entries import as_text, decisive
from mtk.study.examples import label_names, texts
from mtk.study.record import RunRecord, Told
from mtk.study.report import charts
from mtk.study.report.blocks import Beside, Block, Chart, Charts, Facts, Heading, Key, Section, Sentences, Table, Text
from mtk.study.report.charts import Line
from mtk.training.development import Answers

MOST_PAIRS = 12  # of tasks that get a chart: those that are most opposed
MOST_LAYERED = 6
MOST_CLASSES = 12  # that have a matrix; more have a list
STRETCH = 10  # steps at least that a share of them is drawn of
WORST = 8  # answers shown of a task
LONGEST = 320  # letters of a text

BEFORE, AFTER = Key("before", "var(--conflict)", "ring"), Key("after", "var(--first)", "dot")


def sections(run: RunRecord) -> list[Section]:
    """All of it. Raises DataError for a run that is damaged."""
    told, kept = run.told(), run.development()
    order = tasks_of(run, told)
    answers = {name: kept[name] for name in sorted(kept, key=lambda name: _place(name, order))}
    calibrated = calibrations(answers)
    course = course_of(run, told, calibrated)
    shown = [in_short(run, told, of_run(course)), learning(run, told, course), getting_along(course)]
    return [*shown, answering(run, answers, calibrated), what_it_was(run)]


def in_short(run: RunRecord, told: Told, findings: Sequence[Finding]) -> Section:
    """Its scores, and what the figures support."""
    best, result = run.best, run.result
    facts = []
    if best:
        facts.append(("average", f"{best.average:.4f}", f"best of {len(told.evaluations)} evaluations"))
        for task, metrics in best.metrics.items():
            facts.append((task, f"{curves.score_of(metrics):.4f}", next(iter(metrics)).replace("_", " ")))
    if result:
        per_second = f"{result.examples_per_second:,.0f} examples a second"
        facts.append(("steps", f"{result.steps:,}", f"{result.epochs} epochs"))
        facts.append(("time", duration(result.seconds), per_second))
    state = {"interrupted": "It was interrupted.", "running": "It was still running when this was written."}
    return Section("In short", state.get(run.state, ""), [Facts(facts), *said(findings)])


def said(findings: Sequence[Finding]) -> list[Block]:
    """What the figures support, by topic; nothing where they support nothing."""
    found = by_topic(findings)
    return [Sentences(found)] if found else []


def learning(run: RunRecord, told: Told, course: Course) -> Section:
    """Losses and scores by task, then rate and pace."""
    train, dev, scores = (
        curves.train_losses(told.progress), curves.dev_losses(told.evaluations), curves.scores(told.evaluations),
    )  # fmt: skip
    drawn = []
    for task in course.tasks:
        of_task = [("training", train.get(task, []), "var(--first)"), ("development", dev.get(task, []), "var(--second)")]
        lines = [
            Line(f"{task}, {name} loss", curve, color, dots=name == "development" and len(curve) < 40)
            for name, curve, color in of_task
            if curve
        ]
        if lines:
            keys = [Key(name, color) for name, curve, color in of_task if curve]
            drawn.append(Chart(f"{task}: loss", charts.lines(lines), keys=keys))
    scored = []
    for task, curve in scores.items():
        metric = next(iter(told.evaluations[-1].metrics[task])).replace("_", " ")
        best = next((p for p in curve if run.best and p.step == run.best.step), None)
        note = f"The ring is the model that was kept: {best.value:.4f} at step {best.step:,}." if best else ""
        line = Line(f"{task}, {metric}", curve, "var(--second)", dots=len(curve) < 40)
        scored.append(Chart(f"{task}: {metric}", charts.lines([line], best=best), note))
    rate = [curves.Point(report.step, report.learning_rate) for report in told.progress]
    pace = [curves.Point(report.step, report.examples_per_second) for report in told.progress]
    machine = [
        Chart("Learning rate of the encoder", charts.lines([Line("learning rate", rate, "var(--muted)")], form=".2e")),
        Chart("Examples a second", charts.lines([Line("examples a second", pace, "var(--muted)")], form=",.0f")),
    ]
    blocks: list[Block] = [Charts(group) for group in (drawn, scored, machine if told.progress else []) if group]
    if told.evaluations:
        blocks.append(_evaluations(told.evaluations))
    lead = "Losses are means over the steps since the last report; those on the development set are without a head's own."
    return Section("How it learned", lead if drawn else "It told nothing of its training.", blocks)


def _evaluations(evaluations: Sequence[Evaluation]) -> Table:
    tasks = [(task, metric) for task, metrics in evaluations[-1].metrics.items() for metric in metrics]
    head = ["step", "epoch", *[f"{task} {metric.replace('_', ' ')}" for task, metric in tasks], "average"]
    rows = [
        [f"{e.step:,}", str(e.epoch), *[f"{e.metrics[t].get(m, float('nan')):.4f}" for t, m in tasks], f"{e.average:.4f}"]
        for e in evaluations
    ]
    best = max(range(len(rows)), key=lambda number: evaluations[number].best * (number + 1))
    return Table(head, rows, "Every evaluation", range(len(head)), [best], folded=True)


def getting_along(course: Course) -> Section:
    """The conflict picture: cosines over the steps, conflict before and after the combiner, and all that by layer."""
    title, progress = "How the tasks got along", course.progress
    conflict, cosines = curves.measured(progress), curves.cosines(progress)
    if not cosines:
        if len(course.tasks) < 2:
            return Section(title, "There is one task, and nobody to get along with.")
        how = "no two tasks share a step" if course.asked else "its combiner needs no Gramian"
        lead = (
            f"This run did not measure it: {how}. Run it with --cosines encoder, or with --cosines layer to see each layer."
        )
        return Section(title, lead)
    lead = (
        "The cosine of two tasks' gradients over the encoder says whether they want the same of it: 1 is the same, 0 is "
        "nothing to do with each other, and below 0 they are in conflict."
    )
    blocks: list[Block] = [Charts(list(_pairs(cosines, course)))]
    if len(cosines) > MOST_PAIRS:
        blocks.append(Text(f"These are the {MOST_PAIRS} most opposed of {len(cosines)} pairs; the table has all of them."))
    if conflict:
        before, after = _shares(progress)
        lines = [
            Line("before", before, "var(--conflict)", dash=(5, 3)),
            Line(f"after {course.combiner}", after, "var(--first)"),
        ]
        keys = [Key("before", "var(--conflict)", "dashes"), Key(f"after {course.combiner}", "var(--first)")]
        note = f"Of {conflict.steps:,} steps {conflict.before:.1%} before and {conflict.after:.1%} after."
        drawn = [Chart("Steps in conflict", charts.lines(lines, form=".0%"), note, keys)]
        by_layer = {
            short(layer): (told.before, told.after) for layer, told in curves.measured_by_layer(progress).items()
        }  # fmt: skip
        if by_layer:
            drawn.append(
                Chart("Steps in conflict by layer", charts.before_and_after(by_layer, width=200), "", [BEFORE, AFTER])
            )
        meaning = (
            "Before: the gradients of any two tasks have a negative cosine. After: what the combiner made of them has one "
            "with any task's own, so that the step goes against that task."
        )
        blocks += [Heading("Before and after the combiner"), Text(meaning), Charts(drawn)]
        pairs, tasks = _conflict_tables(course)
        blocks += [tasks, replace(pairs, folded=True)] if len(pairs.rows) > MOST_PAIRS else [Beside([pairs, tasks])]
    blocks += _by_layer(progress, cosines)
    return Section(title, lead, blocks)


def _pairs(cosines: Mapping[str, curves.Curve], course: Course) -> Iterator[Chart]:
    conflict = curves.measured(course.progress)
    means = {pair: curves.mean(curve) or 0.0 for pair, curve in cosines.items()}
    shown = sorted(cosines, key=lambda pair: means[pair])[:MOST_PAIRS]
    domain = charts.domain_of([cosines[pair] for pair in shown])
    for pair in (pair for pair in cosines if pair in shown):
        note = f"Mean {means[pair]:+.3f}"
        if conflict and pair in conflict.pairs:
            note += f", negative in {conflict.pairs[pair]:.0%} of the steps"
        yield Chart(_named(pair), charts.agreement(_named(pair), cosines[pair], domain), f"{note}.")


def _shares(progress: Sequence[Progress]) -> tuple[curves.Curve, curves.Curve]:
    """The share of steps in conflict before and after, over stretches of the run that hold enough steps for a share."""
    told = [report for report in progress if report.conflict]
    steps = sum(report.conflict.steps for report in told if report.conflict)
    size = max(1, -(-len(told) // max(4, min(30, steps // STRETCH))))
    before, after = [], []
    for start in range(0, len(told), size):
        stretch = told[start : start + size]
        conflict = curves.measured(stretch)
        if conflict:
            before.append(curves.Point(stretch[-1].step, conflict.before))
            after.append(curves.Point(stretch[-1].step, conflict.after))
    return before, after


def _conflict_tables(course: Course) -> Iterator[Table]:
    conflict = curves.measured(course.progress)
    assert conflict
    means = {pair: curves.mean(curve) or 0.0 for pair, curve in curves.cosines(course.progress).items()}
    pairs = [[_named(pair), f"{share:.1%}", f"{means.get(pair, 0.0):+.4f}"] for pair, share in conflict.pairs.items()]
    yield Table(["two tasks", "steps in conflict", "mean cosine"], pairs, "Before the combiner", (1, 2))
    lengths = curves.by_name((report.step, report.gradient_norms) for report in course.progress)
    tasks = [
        [task, f"{share:.1%}", f"{curves.mean(lengths.get(task, [])) or 0:.3g}"] for task, share in conflict.tasks.items()
    ]
    yield Table(["task", "steps against it", "mean length of its gradient"], tasks, "After the combiner", (1, 2))


def _by_layer(progress: Sequence[Progress], cosines: Mapping[str, curves.Curve]) -> Iterator[Block]:
    found = curves.layer_cosines(progress)
    if not found:
        return
    pairs = sorted(cosines, key=lambda pair: curves.mean(cosines[pair]) or 0.0)[:MOST_LAYERED]
    domain = charts.domain_of([of_layer[pair] for of_layer in found.values() for pair in pairs if pair in of_layer])
    keys = [Key(f"up to {domain:g}", "var(--agree)", "field"), Key(f"down to -{domain:g}", "var(--conflict)", "field")]
    drawn = []
    for pair in (pair for pair in cosines if pair in pairs):
        of_layers = {short(layer): of_layer[pair] for layer, of_layer in found.items() if pair in of_layer}
        drawn.append(Chart(_named(pair), charts.layers_over_steps(of_layers, domain), "", keys))
    yield Heading("In each layer of the encoder")
    if len(pairs) < len(cosines):
        yield Text(f"Of the {len(pairs)} most opposed of {len(cosines)} pairs.")
    yield Charts(drawn)


def answering(run: RunRecord, answers: Mapping[str, Answers], calibrations: Mapping[str, Calibration]) -> Section:
    """What the model that was kept answered to the development examples."""
    title = "What it answered"
    if not answers:
        return Section(
            title, "This run kept no answers to its development examples: its model was not evaluated, or is older."
        )
    names, (found, problem) = label_names(run), texts(run, answers)
    blocks: list[Block] = []
    for name, of_set in answers.items():
        blocks += [Heading(name), *_of_set(of_set, names.get(name.partition("/")[0], ()), calibrations.get(name))]
        if worst := _worst(of_set, names.get(name.partition("/")[0], ()), found.get(name)):
            blocks.append(worst)
    rows = sum(len(of_set.ids) for of_set in answers.values())
    lead = f"The model that was kept, on {rows:,} development examples. {problem}".strip()
    return Section(title, lead, blocks)


def _of_set(answers: Answers, names: Sequence[str], found: Calibration | None) -> Iterator[Block]:
    names = _classes(answers, names)
    drawn = []
    if names and looked.is_classes(answers, len(names)):
        matrix = looked.confusion(answers, len(names))
        if len(names) <= MOST_CLASSES:
            keys = [Key("right", "var(--agree)", "field"), Key("wrong", "var(--conflict)", "field")]
            drawn.append(Chart("Labels and answers", charts.confusion(matrix, names), "", keys))
        else:
            yield _confused(matrix, names)
    elif looked.is_scores(answers):
        shown = (
            "" if len(answers.ids) <= charts.MOST_DOTS else f" Some {charts.MOST_DOTS} of {len(answers.ids):,} are drawn."
        )
        note = f"On the dashed line a prediction is its label.{shown}"
        pairs = answers.labels.tolist(), answers.predictions.tolist()
        drawn.append(Chart("Labels and predictions", charts.scatter(*pairs), note))
    else:
        yield Text(f"Each of its {len(answers.ids):,} examples has several labels: there is no matrix to show.")
    if found:
        side = "above" if found.excess > 0 else "below"
        note = f"Expected calibration error {found.error:.3f}. Mean confidence is {abs(found.excess):.3f} {side} accuracy."
        drawn.append(Chart("Can its confidence be trusted?", charts.reliability(found), note))
    if drawn:
        yield Charts(drawn)


def _classes(answers: Answers, names: Sequence[str]) -> Sequence[str]:
    """What its labels are called; 0, 1, … where nobody says."""
    if names or answers.probabilities is None or answers.probabilities.ndim != 2:
        return names
    return [str(number) for number in range(answers.probabilities.shape[1])]


def _confused(matrix: Any, names: Sequence[str]) -> Table:
    wrong = [(int(matrix[i, j]), i, j) for i, j in combinations(range(len(names)), 2)]
    wrong += [(int(matrix[j, i]), j, i) for _, i, j in wrong]
    worst = sorted(wrong, key=lambda found: -found[0])[:MOST_CLASSES]
    rows = [[names[i], names[j], f"{count:,}"] for count, i, j in worst if count]
    return Table(["label", "answered", "examples"], rows, f"What was confused most often, of {len(names)} labels", (2,))


def _worst(answers: Answers, names: Sequence[str], found: Sequence[tuple[str, ...]] | None) -> Table | None:
    misses = looked.misses(answers, WORST)
    if not misses:
        return None
    names = _classes(answers, names)
    by_class = bool(names) and looked.is_classes(answers, len(names))
    head = [*_heads_of_text(found), "label", *(("answered", "confidence") if by_class else ("predicted", "off by"))]
    rows = [[*_texts_of(miss, answers, found), *_values(miss, names if by_class else ())] for miss in misses]
    what = "The surest of its wrong answers" if by_class else "The predictions farthest off"
    return Table(head, rows, what, (len(head) - 1,) if by_class else range(len(head) - 3, len(head)))


def _heads_of_text(found: Sequence[tuple[str, ...]] | None) -> list[str]:
    if not found:
        return ["example"]
    return ["text"] if len(found[0]) == 1 else ["first text", "second text"]


def _texts_of(miss: Miss, answers: Answers, found: Sequence[tuple[str, ...]] | None) -> Iterable[str]:
    if not found:
        return [answers.ids[miss.row]]
    return [text if len(text) <= LONGEST else f"{text[:LONGEST]} …" for text in found[miss.row]]


def _values(miss: Miss, names: Sequence[str]) -> list[str]:
    if names:
        return [names[int(miss.label)], names[int(miss.prediction)], f"{miss.distance:.0%}"]
    return [f"{miss.label:.2f}", f"{miss.prediction:.2f}", f"{miss.distance:.2f}"]


def what_it_was(run: RunRecord) -> Section:
    """Tasks, settings and versions."""
    blocks: list[Block] = []
    if run.plan:
        head = ["task", "kind", "head", "augmenter", "batch", "train", "dev"]
        rows = [
            [t.name, t.kind, t.head, t.augmenter or "", f"{t.batch_size:,}", f"{t.train:,}", f"{t.dev:,}"]
            for t in run.plan.tasks
        ]
        blocks.append(Table(head, rows, "Tasks", (4, 5, 6)))
        notes = [*run.plan.notes, *[note for task in run.plan.tasks for note in task.notes]]
        if notes:
            blocks.append(Sentences({"Of the data": notes}))
    if run.config:
        settings = [[name, as_text(value)] for name, value in decisive(run.config).items() if value not in ("", None, [])]
        settings.append(["seed", str(run.config.seed)])
        blocks.append(Table(["setting", "value"], settings, "Every setting", folded=True))
        versions = [[what, version] for what, version in run.config.versions.items()]
        blocks.append(Table(["part", "package and version"], versions, "What it was made with", folded=True))
    return Section("What it was", f"The directory {run.path} has all of it.", blocks)


def duration(seconds: float) -> str:
    """In the units that one speaks of."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def short(layer: str) -> str:
    """A layer's name without what all blocks share: `encoder.layer.3` is layer 3."""
    last = layer.rpartition(".")[2]
    return f"layer {last}" if last.isdecimal() else layer


def _place(name: str, order: Sequence[str]) -> tuple[int, str]:
    task = name.partition("/")[0]
    return (order.index(task) if task in order else len(order)), name


def _named(pair: str) -> str:
    return pair.replace("/", " and ")
