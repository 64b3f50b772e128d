"""The answers that are kept with a model are those of the evaluation that it was kept for, example by example."""

from __future__ import annotations

import shutil
from pathlib import Path

import building
import numpy as np
import pytest
import torch

import mtk
from mtk.events import Result
from mtk.training.development import as_arrays, read_development


def test_metrics_of_the_kept_answers_are_the_kept_metrics(finished: Result) -> None:
    kept, tasks = read_development(finished.out / "model"), mtk.load(finished.out, device="cpu").tasks
    assert finished.best is not None
    assert kept.keys() == tasks.keys()
    for name, answers in kept.items():
        predictions, labels = torch.from_numpy(answers.predictions), torch.from_numpy(answers.labels)
        assert tasks[name].kind.metrics(predictions, labels) == pytest.approx(finished.best.metrics[name], abs=1e-9)
        if name == "sts":
            assert answers.probabilities is None, "a score has none"
        else:
            assert answers.probabilities is not None
            assert np.allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)


def test_ids_are_those_of_the_file(finished: Result, tiny_corpus: Path) -> None:
    for name, data in building.read_tasks(tiny_corpus).items():
        assert read_development(finished.out / "model")[name].ids == data.dev.ids


def test_the_model_they_are_kept_with_is_damaged_where_they_are(finished: Result, tmp_path: Path) -> None:
    model = Path(shutil.copytree(finished.out / "model", tmp_path / "model"))
    file = model / "development.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for read in (read_development, mtk.load):
        with pytest.raises(mtk.DataError, match=r"development.safetensors is not what was saved"):
            read(model)


def test_there_are_none_where_there_is_no_model(tmp_path: Path) -> None:
    assert read_development(tmp_path / "model") == {}


def test_ids_may_be_any_text() -> None:
    arrays = as_arrays("t/x", ["ü,\n", ""], torch.zeros(2, 3), torch.ones(2, 3), None)
    assert arrays.keys() == {"t/x.ids", "t/x.labels", "t/x.predictions"}
    assert arrays["t/x.predictions"].shape == (2, 3)
