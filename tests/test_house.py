"""A test file stands beside every source file's name, so that whoever changes one knows what to run.

    core/mtk/ROOM/x.py     tests/core/ROOM/test_x.py
    cli/mtk_cli/x.py       tests/cli/test_x.py
    plugins/P/mtk_P/x.py   tests/plugins/P/test_x.py, or tests/plugins/test_P.py for all of a package

What only names others (`__init__.py`, `__main__.py`) and the templates of `mtk new` need none. `tests/end_to_end` is for
what no single module does.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"


def modules() -> Iterator[tuple[Path, list[Path]]]:
    """Every module that wants a test file, and where that may be."""
    for folder, tests in (("core/mtk", TESTS / "core"), ("cli/mtk_cli", TESTS / "cli")):
        for module in (ROOT / folder).rglob("*.py"):
            place = module.relative_to(ROOT / folder)
            if "templates" not in place.parts:
                yield module, [tests / place.parent / f"test_{place.name}"]
    for package in (ROOT / "plugins").glob("*/mtk_*"):
        plugin = package.parent.name
        for module in package.rglob("*.py"):
            place = module.relative_to(package)
            alone = TESTS / "plugins" / plugin / place.parent / f"test_{place.name}"
            yield module, [alone, TESTS / "plugins" / f"test_{plugin}.py"]


WANTED = {module.relative_to(ROOT).as_posix(): places for module, places in modules() if not module.name.startswith("__")}


MISSING = {name: places[0] for name, places in WANTED.items() if not any(place.is_file() for place in places)}


def test_every_module_has_its_test_file() -> None:
    told = [f"{name}: write {place.relative_to(ROOT)}" for name, place in sorted(MISSING.items())]
    assert not told, "\n".join(["these modules have no test file:", *told])


@pytest.mark.parametrize("file", sorted(TESTS.rglob("test_*.py")), ids=lambda file: file.relative_to(TESTS).as_posix())
def test_a_test_file_says_what_it_holds_to_and_holds_something(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "its first line is the property"
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert names, "it tests nothing"
    assert len(set(names)) == len(names), "two tests have one name, and only the last one runs"


def test_types_are_checked_in_every_benchmark() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["modules"]
    assert checked == sorted(file.stem for file in (ROOT / "benchmarks").glob("*.py"))
