"""A task may have several development sets and several test sets by name: one decides which model is kept, and all are
evaluated, recorded, shown, and written as predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

TASK = '[t]\nkind = "binary"\ntext = "text"\nlabel = "label"\ntrain = "train.csv"\n'
SETS = 'dev = {main = "main.csv", hard = "hard-*.csv", odd = {file = "odd.txt", separator = "|"}}\n'
TESTS = 'test = {matched = "one.csv", other = "two.csv"}\n'

Mtk = Callable[..., Result]


def rows(name: str, count: int, mark: str = ",") -> str:
    return f"text{mark}label\n" + "".join(f"the {name} dog {i}{mark}{i % 2}\n" for i in range(count))


@pytest.fixture
def mtk(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mtk:
    monkeypatch.chdir(tmp_path)
    for name, count in (("train", 12), ("main", 6), ("hard-1", 3), ("hard-2", 2), ("one", 4), ("two", 3)):
        Path(f"{name}.csv").write_text(rows(name, count))
    Path("odd.txt").write_text(rows("odd", 7, "|"))

    def mtk(command: str, *arguments: str) -> Result:
        flags = ["--encoder", str(tiny_encoder), "--epochs", "2", "--head", "linear", "--data", ".", "--out", "run"]
        return CliRunner().invoke(cli, [command, *arguments, "--device", "cpu", *(flags if command == "run" else [])])

    return mtk


@pytest.mark.parametrize("decides", [None, "hard"])
def test_all_are_evaluated_and_one_decides(mtk: Mtk, decides: str | None) -> None:
    Path("tasks.toml").write_text(TASK + SETS + TESTS + (f'decides = "{decides}"\n' if decides else ""))
    result = mtk("run")
    assert result.exit_code == 0, result.output
    sizes = {"main": 6, "hard": 5, "odd": 7}
    dev, *others = [decides, "main", "odd"] if decides else ["main", "hard", "odd"]
    counts = ", ".join(f"dev-{name} ({sizes[name]} rows)" for name in others)
    assert f"t: beside dev, which decides what is kept, there is {counts}, test-other (3 rows)" in result.output
    events = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    evaluations = [event for event in events if event["event"] == "evaluation"]
    assert len(evaluations) == 2
    for evaluation in evaluations:
        assert list(evaluation["metrics"]) == list(evaluation["losses"]) == ["t"]
        assert list(evaluation["further"]) == [f"t/{name}" for name in others]
        assert evaluation["average"] == evaluation["metrics"]["t"]["accuracy"]
        for name in others:
            assert f"t/{name}" in result.output and set(evaluation["further"][f"t/{name}"]) == {"accuracy", "f1"}
    written = {path.name.removeprefix("t-").removesuffix("-output.csv"): path for path in Path("run/predictions").iterdir()}
    assert set(written) == {"dev", *(f"dev-{name}" for name in others), "test", "test-other"}
    best = json.loads(Path("run/summary.json").read_text())["best"]
    for split, name in {"dev": dev, **{f"dev-{name}": name for name in others}}.items():
        with written[split].open(newline="") as file:
            said = [row["prediction"] for row in csv.DictReader(file)]
        assert len(said) == sizes[name]
        labels = ["0", "1", "0", "0", "1"] if name == "hard" else [str(i % 2) for i in range(len(said))]
        labels = ["0", "1", "0", "0", "1"] if name == "hard" else labels
        told = best["metrics"]["t"] if split == "dev" else best["further"][f"t/{name}"]
        assert told["accuracy"] == pytest.approx(sum(map(str.__eq__, said, labels)) / len(said), abs=1e-12)
        evaluated = json.loads(mtk("eval", "run", "--split", split, "--json").stdout)
        assert evaluated["metrics"]["t"] == pytest.approx(told)
    assert json.loads(mtk("eval", "run", "--split", "test-other", "--json").stdout)["metrics"]["t"]
    refused = mtk("eval", "run", "--split", "dev-hrad")
    assert refused.exit_code == 2 and "no task has a split 'dev-hrad'" in refused.stderr


def test_a_run_goes_on_with_them(mtk: Mtk) -> None:
    Path("tasks.toml").write_text(TASK + SETS)
    assert mtk("run").exit_code == 0
    result = CliRunner().invoke(cli, ["run", "--resume", "run", "--epochs", "3"])
    assert result.exit_code == 0, result.output
    last = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert last["epoch"] == 3 and list(last["further"]) == ["t/hard", "t/odd"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('dev = {main = "main.csv"}\ndecides = "hard"', "`decides` names one of several development sets: main"),
        ('dev = "main.csv"\ndecides = "hard"', "`decides` names one of several development sets: there are none"),
        ('dev = {"a b" = "main.csv"}', "the name of a set is made of letters"),
        ('dev = {main = "main.csv", hard = "nowhere.csv"}', "nowhere.csv: it cannot be read"),
        ('dev = {main = "main.csv", hard = 3}', "in [t]"),
        ('dev = {file = "main.csv", hard = "hard-1.csv"}', "there is no key 'hard' in `dev`"),
        ('dev = {separator = ";"}', "file"),
        ("dev = {}", "file"),
        ('dev = "main.csv"\nfurther = {dev-x = "hard-1.csv"}', "there is no key 'further'"),
        ('dev = "main.csv"\ntrain = {a = "main.csv"}', "there is no key 'a' in `train`"),
    ],
)
def test_what_names_no_sets_is_refused(mtk: Mtk, line: str, message: str) -> None:
    Path("tasks.toml").write_text((TASK.replace('train = "train.csv"\n', "") if "train =" in line else TASK) + line)
    result = mtk("run")
    assert result.exit_code == 1 and message in result.stderr, result.output


def test_one_name_is_one_set(mtk: Mtk) -> None:
    Path("tasks.toml").write_text(TASK + 'dev = {main = "main.csv"}')
    result = mtk("run")
    assert result.exit_code == 0 and "beside dev" not in result.output
    assert [path.name for path in Path("run/predictions").iterdir()] == ["t-dev-output.csv"]
