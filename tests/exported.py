"""What tests of exports share: some texts, and how an export is asked without mtk."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

TEXTS = ["the dog is happy", "a", "the cat sees the gold and the bird is dull"]
PAIRS = list(zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True))
ASKED: dict[str, Sequence[Any]] = {"sst": TEXTS, "para": PAIRS, "sts": PAIRS}


def without_mtk(directory: Path, asked: Mapping[str, Sequence[Any]], **how: Any) -> dict[str, list[dict[str, Any]]]:
    """What the exported loader answers to each task's examples, in a process that cannot import mtk."""
    code = (
        "import json, sys; sys.modules['mtk'] = None; sys.path.insert(0, sys.argv[1]); from model import Model; "
        "asked, how = json.loads(sys.argv[2]); model = Model(**how); "
        "print(json.dumps({task: model.predict(task, examples) for task, examples in asked.items()}))"
    )
    command = [sys.executable, "-c", code, str(directory), json.dumps([asked, how])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def answers(directory: Path, task: str, examples: Sequence[Any]) -> list[dict[str, Any]]:
    """The same in this process, which is quicker."""
    found: list[dict[str, Any]] = runpy.run_path(str(directory / "model.py"))["Model"](directory).predict(task, examples)
    return found


def agree(model: Any, task: str, found: list[dict[str, Any]], within: float) -> None:
    """That these are the answers which mtk gives."""
    examples = PAIRS if model.tasks[task].pair else TEXTS
    predicted = model.predict(task, examples)
    if isinstance(predicted[0], float):
        assert [answer["prediction"] for answer in found] == pytest.approx(predicted, abs=within)
        return
    assert [answer["prediction"] for answer in found] == predicted
    likely = model.predict(task, examples, probabilities=True)
    assert [answer["probabilities"] for answer in found] == [pytest.approx(row, abs=within) for row in likely]
