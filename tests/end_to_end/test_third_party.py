"""A package that somebody else publishes is the toolkit's equal: installed, it is listed, shown, trained and served."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch
from installing import install, run_mtk

import mtk
from mtk.host.registry import Registry

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "mtk-bilinear"
BROUGHT = {("head", "bilinear"), ("combiner", "equal-length"), ("augmenter", "typo")}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed as a user installs it, but with nothing fetched."""
    return install(EXAMPLE, into=tmp_path_factory.mktemp("packages") / "site")


@pytest.fixture(scope="module")
def trained(packages: Path, tiny_encoder: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that the package brings."""
    out = tmp_path_factory.mktemp("runs") / "bilinear"
    code, _, stderr = run_mtk(
        *("run", "--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--steps", "3", "--device", "cpu"),
        *("--head", "para=bilinear", "--head", "sts=bilinear:dropout=0.2", "--head", "sst=mtk-bilinear/bilinear"),
        *("--combiner", "equal-length", "--augment", "sst=typo:share=0.5,copies=1", "--out", str(out)),
        packages=packages,
    )
    assert code == 0, stderr
    return out


def listed(packages: Path | None, **environment: str) -> list[dict[str, str]]:
    code, stdout, stderr = run_mtk("list", "--json", packages=packages, **environment)
    assert code == 0, stderr
    rows: list[dict[str, str]] = json.loads(stdout)
    return [row for row in rows if row["package"] == "mtk-bilinear"]


def test_it_is_listed_with_its_package_and_version(packages: Path) -> None:
    rows = listed(packages)
    assert {(row["kind"], row["name"]) for row in rows} == BROUGHT
    assert {(row["plugin"], row["version"], row["status"]) for row in rows} == {("bilinear", "0.1.0", "ok")}


def test_it_is_gone_where_it_is_not_installed_or_disabled(packages: Path) -> None:
    assert listed(None) == []
    assert listed(packages, MTK_DISABLE_PLUGINS="other, bilinear") == []


def test_it_is_shown(packages: Path) -> None:
    code, stdout, stderr = run_mtk("show", "bilinear", packages=packages)
    assert code == 0, stderr
    assert "mtk_bilinear.head:Bilinear, from plugin bilinear of mtk-bilinear 0.1.0" in stdout
    assert "Socher" in stdout
    assert "dropout" in stdout


def test_it_is_trained_and_its_origin_recorded(trained: Path) -> None:
    config = (trained / "config.toml").read_text()
    assert 'combiner = "mtk-bilinear/equal-length"' in config
    for used in ("head bilinear", "combiner equal-length", "augmenter typo"):
        assert f'"{used}" = "mtk-bilinear 0.1.0"' in config
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["steps"] == 3
    assert set(summary["best"]["metrics"]) == {"sst", "para", "sts"}
    card = json.loads((trained / "model" / "model.json").read_text())
    assert {(head["package"], head["version"]) for head in card["heads"].values()} == {("mtk-bilinear", "0.1.0")}


def test_it_predicts(trained: Path, packages: Path) -> None:
    pairs = "the dog sees gold\tthe dog sees gold\nthe cat eats fish\tthe king hides hats\n"
    code, stdout, stderr = run_mtk("predict", str(trained), "sts", packages=packages, stdin=pairs)
    assert code == 0, stderr
    assert [0 <= float(line) <= 5 for line in stdout.splitlines()] == [True, True]


@pytest.mark.parametrize("installed", [False, True])
def test_without_it_a_run_says_what_it_needs(trained: Path, packages: Path, installed: bool) -> None:
    where = packages if installed else None
    code, stdout, stderr = run_mtk("predict", str(trained), "sts", packages=where, MTK_DISABLE_PLUGINS="bilinear")
    assert (code, stdout) == (2, "")
    (line,) = stderr.splitlines()
    assert line.startswith(
        "error: Task 'sst' was trained with the head 'bilinear' of mtk-bilinear 0.1.0, which is not here."
    )
    assert ("MTK_DISABLE_PLUGINS switches off bilinear." in line) == installed


# In this process -------------------------------------------------------------------------------------------------------


@pytest.fixture
def imported(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(packages)
    yield
    for module in [name for name in sys.modules if name.partition(".")[0] == "mtk_bilinear"]:
        del sys.modules[module]


def test_equal_length_gives_every_gradient_the_mean_length(imported: None) -> None:
    combiner = Registry().part("combiner", "equal-length").build(tasks=["a", "b", "c"])
    gradients = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0]])  # of length 5, 1 and 0: 2 on average
    weighted = combiner.weights(gradients @ gradients.T).unsqueeze(1) * gradients
    torch.testing.assert_close(weighted.norm(dim=1), torch.tensor([2.0, 2.0, 0.0]))
    assert combiner.weights(torch.zeros(3, 3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("inputs", [1, 2])
def test_bilinear_gives_logits_in_either_precision(imported: None, inputs: int) -> None:
    head = Registry().part("head", "bilinear").build(width=8, outputs=3, inputs=inputs)
    text = mtk.Encoding(torch.randn(5, 3, 8), torch.ones(5, 3), torch.randn(5, 8))
    assert head(*[text] * inputs).shape == (5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(*[text._replace(embedding=text.embedding.bfloat16())] * inputs).shape == (5, 3)


@pytest.mark.parametrize("words", [["a"], ["no"], ["a", "b", "c"], ["the", "film", "is", "warm"]])
def test_typo_moves_letters_within_words_as_its_rng_says(imported: None, words: list[str]) -> None:
    typo = Registry().part("augmenter", "typo:share=0.5").build()
    changed = typo(tuple(words), Random(0))
    assert changed == typo(tuple(words), Random(0))
    assert [sorted(word) for word in changed] == [sorted(word) for word in words]
    assert (changed != words) == any(len(word) > 1 for word in words)


def test_it_imports_only_the_public_names() -> None:
    imports = [node for path in EXAMPLE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    modules = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert modules <= {"mtk", "torch", *sys.stdlib_module_names, "collections.abc"}
