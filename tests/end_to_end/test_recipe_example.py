"""A package with a kind, a sampler, an optimizer, a schedule and a listener that stops trains from the command line."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from installing import install, run_mtk

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "mtk-recipe"
PARTS = {"Focal", "SmallestFirst", "Lion", "Quadratic", "Target"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(EXAMPLE, into=tmp_path_factory.mktemp("packages") / "site")


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    """The tiny corpus, the moods of which are a task of the package's kind."""
    table = (tiny_corpus / "tasks.toml").read_text().replace('"classification"', '"focal"\nfocus = 1.0', 1)
    (tmp_path / "tasks.toml").write_text(table)
    for file in tiny_corpus.glob("*.csv"):
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def test_each_part_has_under_thirty_lines() -> None:
    modules = [ast.parse(path.read_text()) for path in EXAMPLE.rglob("*.py")]
    parts = [node for module in modules for node in module.body if isinstance(node, ast.ClassDef)]
    assert {part.name for part in parts} == PARTS
    assert all((part.end_lineno or 0) - part.lineno + 1 < 30 for part in parts)


def test_they_keep_every_promise(packages: Path) -> None:
    """Of the package, all but the listener, which wants an option; with that, the listener too."""
    _, stdout, stderr = run_mtk("check", "mtk-recipe", "--json", packages=packages)
    found = json.loads(stdout)
    assert {row["kind"] for row in found} == {"kind", "sampler", "optimizer", "schedule", "listener"}, stderr
    assert [row for row in found if row["status"] != "ok" and row["name"] != "target"] == []
    code, stdout, stderr = run_mtk("check", "target:average=0.2", packages=packages)
    assert code == 0, stdout + stderr


def test_a_run_is_made_of_all_five(packages: Path, corpus: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, _, stderr = run_mtk(
        *("run", "--data", str(corpus), "--encoder", str(tiny_encoder), "--device", "cpu", "--out", str(out)),
        *("--sampler", "smallest-first", "--optimizer", "lion", "--schedule", "quadratic", "--epochs", "8"),
        *("--lr", "3e-4", "--head-lr", "3e-3", "--listen", "target:average=0.2"),
        packages=packages,
    )
    assert code == 0, stderr
    summary = json.loads((out / "summary.json").read_text())
    assert "0.2 is enough" in summary["stopped"]
    config = (out / "config.toml").read_text()
    for name in ("kind focal", "sampler smallest-first", "optimizer lion", "schedule quadratic", "listener target"):
        assert f'"{name}" = "mtk-recipe 0.1.0"' in config
    card = json.loads((out / "model" / "model.json").read_text())
    kind = next(task["kind"] for task in card["tasks"] if task["name"] == "sst")
    assert (kind["package"], kind["name"], kind["options"]) == ("mtk-recipe", "focal", {"focus": 1.0})
    code, stdout, stderr = run_mtk("eval", str(out), "--device", "cpu", "--json", packages=packages)
    assert code == 0, stderr
    assert "accuracy" in json.loads(stdout)["metrics"]["sst"]
