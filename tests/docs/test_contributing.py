"""CONTRIBUTING.md names files and things in them that are there, docs/architecture.md the rooms as they are, and no page a
file that is gone."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING, ARCHITECTURE = ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"


def to_open() -> list[tuple[str, str]]:
    """What each row of the table names: "path" or "path: symbol"."""
    table = CONTRIBUTING.read_text(encoding="utf-8").partition("| to change | open |\n")[2]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
    assert all(len(row) == 2 for row in rows)
    return [(change, where) for change, where in rows]


def defined(path: Path) -> set[str]:
    """The names that a module's own lines give to something; of another file, all its words."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return set(re.findall(r"\w+", text))
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_the_table_is_long_enough_to_be_looked_into() -> None:
    assert len(to_open()) >= 25
    assert len({change for change, _ in to_open()}) == len(to_open())


@pytest.mark.parametrize(("change", "where"), to_open(), ids=lambda text: text[:40])
def test_what_a_row_names_is_there(change: str, where: str) -> None:
    path: Path | None = None
    for name in re.findall(r"`([^`]+)`", where):
        if "/" in name or "." in name:
            path = ROOT / name
            assert path.exists()
        else:
            assert path is not None, f"`{name}` stands before any file"
            assert name in defined(path), f"{path} has no {name}"
    assert path is not None


PAGES = [CONTRIBUTING, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:core|cli|plugins|docs|benchmarks|tests)/[\w/.-]+)`", text):
        if not re.search(r"\b(ROOM|P|x|test_x|test_P|mtk_P)\b", name):
            assert (ROOT / name).exists(), name
    for link in re.findall(r"\]\(([^)#:]+)[#)]", text):
        assert (page.parent / link).exists(), link


def test_the_picture_of_the_rooms_is_up_to_date() -> None:
    pytest.importorskip("grimp", reason="the extra dev is not installed")
    written = runpy.run_path(str(ARCHITECTURE.with_suffix(".py")))["written"]()
    assert written == ARCHITECTURE.read_text(encoding="utf-8"), "run: python docs/architecture.py"


def test_every_room_has_its_reason() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "core" / "mtk").glob("*/__init__.py")}
    reasons = text.partition("| room | what it holds | it changes when |")[2].partition("\n\n")[0]
    for room in folders:
        assert f"| `{room}/` |" in reasons, f"docs/architecture.md does not say why there is a room {room}"
