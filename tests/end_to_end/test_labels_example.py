"""A package that takes more from the contracts than the smallest parts do: a head that knows its task and has a loss of its
own, and a combiner that decides by layer from losses. Installed, it is checked, trained, evaluated and served."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from installing import install, run_mtk
from kinds import Binary, Classification, Regression

import mtk
from mtk.host.registry import Registry
from mtk.kind import Kind

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "mtk-labels"
LAYERS = {"embeddings", "encoder.layer.0", "encoder.layer.1"}  # of the tiny encoder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(EXAMPLE, into=tmp_path_factory.mktemp("packages") / "site")


@pytest.fixture(scope="module")
def tiny(tiny_encoder: Path, tiny_corpus: Path) -> tuple[str, ...]:
    return ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--device", "cpu", "--head", "label-embedding")


@pytest.fixture(scope="module")
def trained(packages: Path, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with both, long enough to learn something."""
    out = tmp_path_factory.mktemp("runs") / "labels"
    code, _, stderr = run_mtk(
        *("run", *tiny, "--combiner", "layer-gradnorm", "--epochs", "8", "--lr", "2e-3", "--head-lr", "1e-2"),
        *("--out", str(out)),
        packages=packages,
    )
    assert code == 0, stderr
    return out


def progress(run: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "progress"]


def test_each_part_has_under_thirty_lines() -> None:
    modules = [ast.parse(path.read_text()) for path in EXAMPLE.rglob("*.py")]
    parts = [node for module in modules for node in module.body if isinstance(node, ast.ClassDef)]
    assert {part.name for part in parts} == {"LabelEmbedding", "LayerGradNorm"}
    assert all((part.end_lineno or 0) - part.lineno + 1 < 30 for part in parts)


def test_it_keeps_every_promise(packages: Path) -> None:
    code, stdout, stderr = run_mtk("check", "mtk-labels", "--json", packages=packages)
    assert code == 0, stdout + stderr
    assert {row["name"] for row in json.loads(stdout)} == {"label-embedding", "layer-gradnorm"}


def test_its_own_loss_is_logged_by_name_and_falls(trained: Path) -> None:
    reports = progress(trained)
    assert all(set(report["own_losses"]) == {"sst/pull", "para/pull"} for report in reports)  # and none for the scores
    first, last = reports[0]["own_losses"], reports[-1]["own_losses"]
    assert all(last[name] < 0.8 * first[name] for name in first)
    assert all(reports[-1]["losses"][task] < reports[0]["losses"][task] for task in ("sst", "para", "sts"))


def test_its_decision_by_layer_leaves_cosines_by_layer(trained: Path) -> None:
    for report in progress(trained):
        assert set(report["layer_cosines"]) == LAYERS
        for cosines in report["layer_cosines"].values():
            assert set(cosines) == {"sst/para", "sst/sts", "para/sts"}
            assert all(-1.001 <= cosine <= 1.001 for cosine in cosines.values())


def test_cosines_by_layer_are_logged_for_any_combiner_that_asks(
    packages: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    asked = ("--combiner", "sum", "--cosines", "layer", "--steps", "2", "--out", str(tmp_path / "run"))
    code, _, stderr = run_mtk("run", *tiny, *asked, packages=packages)
    assert code == 0, stderr
    assert set(progress(tmp_path / "run")[-1]["layer_cosines"]) == LAYERS


def test_it_is_evaluated_as_it_was_trained(trained: Path, packages: Path) -> None:
    code, stdout, stderr = run_mtk("eval", str(trained), "--json", packages=packages)
    assert code == 0, stderr
    best = json.loads((trained / "summary.json").read_text())["best"]
    found = json.loads(stdout)
    assert found["metrics"] == {task: pytest.approx(metrics, abs=1e-6) for task, metrics in best["metrics"].items()}
    assert best["metrics"]["para"]["accuracy"] > 0.8


def test_it_predicts_labels_and_scores(trained: Path, packages: Path) -> None:
    code, stdout, stderr = run_mtk("predict", str(trained), "sst", packages=packages, stdin="the dog is awful\n")
    assert code == 0, stderr
    assert stdout.strip() in ("bad", "fine", "good")
    pairs = "the dog sees gold\tthe dog sees gold\n"
    code, stdout, stderr = run_mtk("predict", str(trained), "sts", packages=packages, stdin=pairs)
    assert code == 0, stderr
    assert 0 <= float(stdout) <= 5


# In this process -------------------------------------------------------------------------------------------------------


@pytest.fixture
def registry(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.syspath_prepend(packages)
    yield Registry()
    for module in [name for name in sys.modules if name.partition(".")[0] == "mtk_labels"]:
        del sys.modules[module]


@pytest.mark.parametrize("kind", [Classification(("a", "b", "c")), Classification(("a", "b")), Binary(), Regression(0, 5)])
def test_the_head_has_an_embedding_for_each_label_and_pulls_to_the_right_one(registry: Registry, kind: Kind) -> None:
    task = mtk.Task(name="t", kind=kind, text=("text",), label="label")
    head = registry.part("head", "label-embedding:pull=1").build(width=8, outputs=kind.outputs, inputs=1, task=task)
    text = mtk.Encoding(torch.randn(5, 3, 8), torch.ones(5, 3), torch.randn(5, 8))
    logits = head(text)
    assert logits.shape == (5, kind.outputs)
    labels = torch.tensor([0.0, 1, 1, 0, 1])
    if kind.range:
        assert torch.equal(head(text, labels=labels), logits)
        return
    same, own = head(text, labels=labels)
    assert torch.equal(same, logits)
    embedded = head.text(text.embedding)
    right = torch.nn.functional.cosine_similarity(embedded, head.labels[labels.long()])
    torch.testing.assert_close(own["pull"], (1 - right).mean())


def test_the_combiner_gives_lengths_as_the_paper_wants_them_in_each_layer(registry: Registry) -> None:
    combiner = registry.part("combiner", "layer-gradnorm:alpha=0.5").build(tasks=["a", "b"])
    gradients = torch.randn(4, 2, 10)  # layers, tasks, parameters
    gradients[3] = 0  # a layer that neither task reaches
    gramian = gradients @ gradients.mT
    mean = gradients.norm(dim=-1).mean(dim=-1)

    def lengths(losses: list[float], number: int) -> torch.Tensor:
        step = SimpleNamespace(losses=torch.tensor(losses), number=torch.tensor(number))
        return combiner.weights(gramian, step).unsqueeze(-1).mul(gradients).norm(dim=-1)

    torch.testing.assert_close(lengths([2.0, 5.0], 0), mean.unsqueeze(-1).expand(4, 2))
    # 1/2 and 9/10 are left: 0.7 on average
    rates = torch.tensor([0.5 / 0.7, 0.9 / 0.7])
    torch.testing.assert_close(lengths([1.0, 4.5], 7), mean.unsqueeze(-1) * rates.sqrt())
    assert combiner.state_dict()["first"].tolist() == [2, 5]
