"""Every task's metrics are those of its predictions, whatever the batches and whatever mode the model is in."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
import torch

from mtk.training.evaluation import evaluate_splits


def test_metrics_are_those_of_the_predictions(tiny_corpus: Path, tiny_encoder: Path) -> None:
    data = building.read_tasks(tiny_corpus)
    torch.manual_seed(0)
    model = building.model(tiny_encoder, [d.task for d in data.values()], "linear:dropout=0.9").train()
    splits = {name: model.tokenize(name, d.dev) for name, d in data.items()}
    metrics, predictions, losses, likely = evaluate_splits(model, splits)
    assert model.training, "the mode is as it was"
    for name, d in data.items():
        texts = d.dev.texts[0] if len(d.dev.texts) == 1 else list(zip(*d.dev.texts, strict=True))
        values = [d.task.kind.value(p) for p in predictions[name].tolist()]
        said = model.predict(name, texts)
        assert said == (pytest.approx(values, abs=1e-5) if name == "sts" else values)
        if name == "sts":
            assert name not in likely, "a score has none"
        else:
            assert torch.equal(likely[name].argmax(dim=1).float(), predictions[name])
        assert d.dev.labels is not None
        assert metrics[name] == d.task.kind.metrics(predictions[name], torch.tensor(d.dev.labels, dtype=torch.float64))
        with torch.no_grad():
            whole = model.eval().loss(name, splits[name].batch(range(len(splits[name])))).total.item()
        assert losses[name] == pytest.approx(whole, rel=1e-4)
