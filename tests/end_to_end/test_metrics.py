"""What a run says of a model is what anybody finds who takes the predictions that it wrote and the files that it read, and
asks scikit-learn and SciPy: to 1e-8, for every split with labels, through the command line alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score

from mtk_cli import cli

TOML = """\
[topic]
kind = "classification"
labels = ["a", "b", "c", "d"]
text = "text"
label = "label"
id = "id"
train = "topic-train.csv"
dev = "topic-dev.csv"
test = "topic-test.csv"

[spam]
kind = "binary"
labels = ["ham", "spam"]
text = "text"
label = "label"
id = "id"
train = "spam-train.csv"
dev = "spam-dev.csv"
test = "spam-test.csv"

[sim]
kind = "regression"
range = [-1, 7.5]
text = ["text", "other"]
label = "label"
id = "id"
train = "sim-train.csv"
dev = "sim-dev.csv"
test = "sim-test.csv"
"""
SIZES = {"train": 24, "dev": 61, "test": 43}


def write(root: Path) -> None:
    rng = Random(1)
    (root / "tasks.toml").write_text(TOML)
    words = ["dog", "cat", "is", "happy", "sad", "the", "bread"]
    for task, draw in {
        "topic": lambda: rng.choice("abccd"),
        "spam": lambda: rng.choice(["ham", "ham", "spam"]),
        "sim": lambda: f"{4 + rng.uniform(0, 0.0001):.9f}",  # which differ by less than a float holds
    }.items():
        for split, count in SIZES.items():
            rows = [
                [f"{split}{i}", " ".join(rng.choices(words, k=5)), " ".join(rng.choices(words, k=5)), draw()]
                for i in range(count)
            ]
            with (root / f"{task}-{split}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([["id", "text", "other", "label"], *rows])


def column(path: Path, name: str) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["id"]: row[name] for row in csv.DictReader(file)}


def recomputed(task: str, labels: list[str], predictions: list[str]) -> dict[str, float]:
    if task == "sim":
        truth, said = [float(x) for x in labels], [float(x) for x in predictions]
        return {"pearson": pearsonr(said, truth).statistic, "spearman": spearmanr(said, truth).statistic}
    found = {"accuracy": accuracy_score(labels, predictions)}
    if task == "spam":
        return {**found, "f1": f1_score(labels, predictions, pos_label="spam", zero_division=0)}
    return {**found, "macro_f1": f1_score(labels, predictions, average="macro", zero_division=0)}


def mtk(*arguments: object) -> str:
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("metrics")
    write(root)
    flags = ["--encoder", tiny_encoder, "--epochs", "2", "--device", "cpu", "--head", "linear", "--out", root / "run"]
    mtk("run", "--data", root, *flags)
    return root, root / "run"


@pytest.mark.parametrize("split", ["dev", "test"])
def test_every_written_prediction_gives_the_metrics_that_were_told(run: tuple[Path, Path], split: str) -> None:
    root, out = run
    told = json.loads(mtk("eval", out, "--split", split, "--device", "cpu", "--json"))
    for task in ("topic", "spam", "sim"):
        labels = column(root / f"{task}-{split}.csv", "label")
        written = column(out / "predictions" / f"{task}-{split}-output.csv", "prediction")
        assert list(written) == list(labels), "in row order"
        expected = recomputed(task, list(labels.values()), list(written.values()))
        assert told["metrics"][task] == pytest.approx(expected, abs=1e-8, rel=0)
        if split == "dev":
            best = json.loads((out / "summary.json").read_text())["best"]
            assert best["metrics"][task] == pytest.approx(expected, abs=1e-8, rel=0)
            (line,) = [e for e in events(out) if e["event"] == "evaluation" and e["step"] == best["step"]]
            assert line["metrics"][task] == pytest.approx(expected, abs=1e-8, rel=0)


def test_predict_agrees_with_eval_on_the_training_rows(run: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = run
    told = json.loads(mtk("eval", out, "--split", "train", "--device", "cpu", "--json"))
    for task in ("topic", "spam", "sim"):
        file = root / f"{task}-train.csv"
        mtk("predict", out, task, file, "--device", "cpu", "--out", tmp_path / f"{task}.csv")
        labels, written = column(file, "label"), column(tmp_path / f"{task}.csv", "prediction")
        expected = recomputed(task, list(labels.values()), list(written.values()))
        assert told["metrics"][task] == pytest.approx(expected, abs=1e-8, rel=0)


def events(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
