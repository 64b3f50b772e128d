"""The development examples of a run as text: what its labels are called, and what stood in the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mtk.data.tasks_toml import read_task
from mtk.errors import MtkError
from mtk.files import read_json, standing
from mtk.host.registry import Registry
from mtk.plan import layout_of
from mtk.study.record import RunRecord
from mtk.training.development import Answers

LARGEST = 1 << 26  # bytes of model.json


class _Task(msgspec.Struct):
    name: str
    kind: Any = None  # a card; up to format 2 something else


class _Card(msgspec.Struct):
    tasks: list[_Task] = []


def label_names(run: RunRecord) -> dict[str, tuple[str, ...]]:
    """task -> what its labels are called, where they have names. Raises DataError for a damaged model card."""
    file = standing(run.path / "model") / "model.json"
    if not file.exists():
        return {}
    found = {}
    for task in read_json(file, "a part of a model", LARGEST, _Card).tasks:
        labels = task.kind.get("labels") if isinstance(task.kind, dict) else None
        if labels:
            found[task.name] = tuple(map(str, labels))
    return found


def texts(run: RunRecord, answers: Mapping[str, Answers]) -> tuple[dict[str, list[tuple[str, ...]]], str]:
    """task -> the texts of each of its development examples, and why some have none: the data may have moved on since."""
    if run.config is None:
        return {}, ""
    config, registry = run.config, Registry()
    found: dict[str, list[tuple[str, ...]]] = {}
    try:
        layout = layout_of(config, registry)
        for task, of_task in answers.items():
            if task not in layout:
                continue
            limit = config.limit if isinstance(config.limit, int) else config.limit.get(task, config.limit.get("*"))
            dev = read_task(layout[task], bad_rows=config.bad_rows, limit=limit, seed=config.seed).dev.labelled()
            if dev is not None and dev.ids == of_task.ids:
                found[task] = [tuple(map(_text, row)) for row in zip(*dev.texts, strict=True)]
    except (MtkError, OSError) as error:
        return {}, f"The examples' texts are not shown: {error}"
    changed = [task for task in answers if task not in found and "/" not in task]
    if changed:
        return found, f"The texts of {', '.join(changed)} are not shown: the data is not what it was in the run."
    return found, ""


def _text(given: Any) -> str:
    """A text; the candidates of an example in one."""
    return " | ".join(map(str, given)) if isinstance(given, tuple) else str(given)
