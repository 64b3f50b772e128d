"""The model card of a run: what the hub shows of a model, made of what the run recorded and measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from mtk import hub
from mtk.config import RunConfig
from mtk.errors import DataError
from mtk.host.registry import PACKAGE
from mtk.study.advice import Course, Finding, of_calibration, of_conflict, of_learning, relations
from mtk.study.advised import calibrations, course_of
from mtk.study.compare import AVERAGE, compare
from mtk.study.entries import as_text, decisive, of_runs
from mtk.study.record import RunRecord

LIBRARIES = {"transformers": "transformers", "sentence-transformers": "sentence-transformers", "onnx": "onnx"}
ALWAYS = (
    "combiner",
    "epochs",
    "learning_rate",
    "head_learning_rate",
)  # settings that are told also where they are mtk's own
_PATH = re.compile(r"(?<![\w./])(?:/[^\s/,:;'\"]+)+/([^\s/,:;'\"]+)")
NEVER = ("data", "encoder", "listen", "versions", "allow_pickle", "on_nonfinite", "bad_rows")


def model_card(run: RunRecord, use: str, to: str, title: str) -> str:
    """README.md of a repository; `use` is that of the export, which says how the model is used, and `to` its format. Raises
    DataError for a run that is not finished, or that lacks what a card is made of."""
    check_card(run)
    assert run.config
    course = course_of(run, run.told(), calibrations(run.development()))
    sources = list(_sources(run.config))
    _, _, use = use.partition("\n")  # its title, in whose place the card has one
    sections = {
        "": use.strip(),
        "Scores": _scores(run),
        "Data": _data(run, sources),
        "Recipe": _recipe(run, sources),
        "Conflict": _conflict(course),
        "Limits": _limits(run, course),
        "Licences": _licences(sources),
    }
    text = "\n\n".join(f"## {name}\n\n{content}" if name else content for name, content in sections.items() if content)
    return f"---\n{_metadata(run, sources, to, title)}\n---\n\n# {title}\n\n{text}\n"


def check_card(run: RunRecord) -> None:
    """Whether there is what a card is made of. Raises DataError."""
    if run.config is None or run.plan is None or run.best is None:
        lacking = "it was made by a release before 0.2" if run.best else "it was not evaluated yet"
        raise DataError(f"{run.path} has no card: {run.problem or lacking}.")


class _Source:
    """The encoder, or a data set, and where it is from."""

    def __init__(self, kind: hub.RepoKind, name: str, commit: str | None) -> None:
        self.kind, self.name, self.commit = kind, name, commit
        self.licence = hub.licence(kind, name, commit) if commit else None

    def __str__(self) -> str:
        return f"[{self.name}](https://hf.co/{'datasets/' if self.kind == 'dataset' else ''}{self.name}) at `{self.commit}`"


def _sources(config: RunConfig) -> Iterator[_Source]:
    """What the run took from the hub, the encoder first."""
    for key, commit in sorted(config.revisions.items(), reverse=True):
        kind, _, name = key.partition(" ")
        name = name.partition("@")[0]
        yield _Source("dataset" if kind == "data" else "model", name, commit)


def _metadata(run: RunRecord, sources: Sequence[_Source], to: str, title: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    assert run.best and run.config
    data = [source.name for source in sources if source.kind == "dataset"]
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=data[0] if len(data) == 1 else task,
            dataset_name=f"{task}, development set",
            metric_type=metric,
            metric_value=round(value, 4),
        )
        for task, metrics in run.best.metrics.items()
        for metric, value in metrics.items()
    ]
    card = ModelCardData(
        base_model=next((source.name for source in sources if source.kind == "model"), None),
        datasets=data or None,
        eval_results=results,
        library_name=LIBRARIES[to],
        model_name=title,
        tags=["multitask", PACKAGE],
    )
    return str(card.to_yaml()).strip()


def _scores(run: RunRecord) -> str:
    """Each task's metrics, and its score with an interval."""
    assert run.best and run.plan
    compared = compare(of_runs([run])) if run.state == "done" else None
    scores = compared.rows[0].scores if compared else {}
    rows = {task.name: task.dev for task in run.plan.tasks}
    found = []
    for task, metrics in run.best.metrics.items():
        for number, (metric, value) in enumerate(metrics.items()):
            around = scores[task].interval if task in scores and number == 0 else None
            between = f"{around.low:.4f} to {around.high:.4f}" if around else ""
            found.append([task, metric.replace("_", " "), f"{value:.4f}", between, f"{rows.get(task, 0):,}"])
    around = scores[AVERAGE].interval if AVERAGE in scores else None
    between = f"{around.low:.4f} to {around.high:.4f}" if around else ""
    found.append(["average", "of the tasks' scores", f"{run.best.average:.4f}", between, ""])
    notes = [*(compared.notes if compared else ()), *([] if run.state == "done" else ["The run was interrupted."])]
    said = (
        "On the development sets, which also decided which epoch's model this is. An interval of 95 % is over the examples, "
        "drawn again, of one run: another seed may give another result."
    )
    return "\n\n".join([said, _table(["task", "metric", "score", "95 %", "rows"], found), *notes])


def _data(run: RunRecord, sources: Sequence[_Source]) -> str:
    assert run.plan and run.config
    rows = [
        [t.name, t.kind, "pairs" if t.pair else "texts", f"{t.train:,}", f"{t.augmented:,}", f"{t.dev:,}"]
        for t in run.plan.tasks
    ]
    told = [str(source) for source in sources if source.kind == "dataset"]
    where = ", ".join(told) or f"`{_without_path(run.config.data)}`"
    skipped = [f"{task.name}: {len(task.skipped):,} rows could not be read" for task in run.plan.tasks if task.skipped]
    notes = [f"- {_without_path(note)}" for task in run.plan.tasks for note in task.notes]
    head = ["task", "kind", "of", "training rows", "of them augmented", "development rows"]
    return "\n\n".join([f"From {where}.", _table(head, rows), *skipped, *(["\n".join(notes)] if notes else [])])


def _recipe(run: RunRecord, sources: Sequence[_Source]) -> str:
    """What differs from mtk's own settings, and what everybody asks for."""
    assert run.config and run.plan
    usual, settings = decisive(RunConfig()), decisive(run.config)
    rows = [
        [name, _without_path(as_text(value))]
        for name, value in settings.items()
        if name.partition(".")[0] not in (*NEVER, "revisions") and (name in ALWAYS or usual.get(name) != value)
    ]
    encoder = next((str(s) for s in sources if s.kind == "model"), f"`{_without_path(run.plan.encoder)}`")
    versions = [
        f"{name} {run.config.versions[name]}" for name in (PACKAGE, "torch", "transformers") if name in run.config.versions
    ]
    steps = run.result.steps if run.result else run.plan.steps
    kept = f"; the model after step {run.best.step:,} was kept" if run.best and run.best.step != steps else ""
    made = f"{steps:,} steps with seed {run.config.seed}, in {run.plan.precision}, by {', '.join(versions)}"
    return f"{encoder}, trained for {made}{kept}.\n\n{_table(['setting', 'value'], rows)}"


def _conflict(course: Course) -> str:
    return "\n".join(_sentences(of_conflict(relations(course))))


def _limits(run: RunRecord, course: Course) -> str:
    assert run.config and run.plan
    own = [
        f"It reads {run.config.max_length} tokens of a sequence; what is longer is cut.",
        "It was measured on texts like those that it was trained on, and on no others.",
    ]
    found = [*of_learning(course), *of_calibration(course.calibrations)]
    notes = [*course.notes, *run.plan.notes]
    return "\n".join([*(f"- {line}" for line in own), *_sentences(found), *(f"- {_without_path(note)}" for note in notes)])


def _licences(sources: Sequence[_Source]) -> str:
    told = [
        f"- {source.kind.replace('dataset', 'data')} {source.name}: {source.licence or 'its card names none'}"
        for source in sources
    ]
    said = "The run does not know under which licence its author shares the model: name it as `license` in the first lines."
    if told:
        said += " What it was made of is under these:"
    return "\n\n".join([said, *(["\n".join(told)] if told else [])])


def _sentences(findings: Iterable[Finding]) -> list[str]:
    return [f"- {finding.text}" for finding in findings]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _without_path(text: str) -> str:
    """A text in which each directory is told by its name. Where it lies on the author's machine is nobody's business."""
    return _PATH.sub(r"\1", text)
