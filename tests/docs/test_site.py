"""The site leads to every page, no link is dead, and it asks the network for nothing."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = runpy.run_path(str(DOCS / "site.py"))
PAGES = sorted(DOCS.rglob("*.md"))
REPOSITORY = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("examples/*/README.md")),
]


def in_nav() -> list[str]:
    """The pages that mkdocs.yml has in its navigation, in their order."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    return re.findall(r": (\S+\.md)$", nav, re.MULTILINE)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page is called."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_every_page_is_in_the_navigation_once() -> None:
    added = {page for page in SITE["PAGES"].values() if page != "index.md"}
    there = {page.relative_to(DOCS).as_posix() for page in PAGES} | added
    assert sorted(in_nav()) == sorted(there)
    assert in_nav()[0] == "index.md"


@pytest.mark.parametrize("page", [*PAGES, *REPOSITORY], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_links_are_turned_to_the_pages_of_the_site() -> None:
    linked = SITE["linked"]
    assert linked("[a](../CONTRIBUTING.md)", "docs/architecture.md", "architecture.md") == "[a](contributing.md)"
    assert (
        linked("[a](../../examples/mtk-labels)", "docs/plugins/head.md", "plugins/head.md")
        == "[a](../examples/mtk-labels.md)"
    )
    assert linked("[a](docs/data.md#rows)", "CONTRIBUTING.md", "contributing.md") == "[a](data.md#rows)"
    assert linked("[a](https://b.c/d.md) [e](#f)", "docs/data.md", "data.md") == "[a](https://b.c/d.md) [e](#f)"


def test_the_page_of_commands_has_every_command_and_flag() -> None:
    from mtk_cli import OWN

    written = "\n".join(SITE["commands"]())
    for module in OWN:
        assert f"## mtk {module.command.name}\n" in written
        for parameter in module.command.params:
            for flag in parameter.opts if parameter.param_type_name == "option" and not parameter.hidden else ():
                assert flag in written


@pytest.mark.slow
def test_it_builds_without_a_warning_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the extra docs is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra docs is not installed")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    told = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's advertisement of its successor
    done = subprocess.run(build, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for tag in re.findall(r"<(?:link|script|img|iframe|source)\b[^>]*>", text):
            assert not re.search(r'(?:src|href)="(?:https?:)?//', tag), f"{page}: {tag}"
        assert 'class="mermaid"' not in text, f"{page}: its script would come from elsewhere"
