"""What the site has beside docs/*.md: CONTRIBUTING.md, CHANGELOG.md, the packages in examples/, a notebook, and each
command's flags.

mkdocs calls the functions whose names begin with `on_` (mkdocs.yml, `hooks`). Links of the pages lead to files of the
repository, so that they work in a checkout too; here they are turned to the pages of the site.
"""

from __future__ import annotations

import inspect
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

# a path in the repository, and the page of the site that has it
PAGES = (
    {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md", "README.md": "index.md"}
    | {"docs/notebook.ipynb": "notebook.md"}
    | {f"examples/{package.name}": f"examples/{package.name}.md" for package in sorted((ROOT / "examples").glob("mtk-*"))}
)
STYLED = re.compile(r"\x1b\[[\d;]*m")  # of a terminal
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")


def content(path: str) -> str:
    """The text of a page that is no file of docs/, of what is at `path` in the repository."""
    place = ROOT / path
    if place.suffix == ".ipynb":
        return "\n".join(cells(json.loads(place.read_text(encoding="utf-8"))))
    if place.is_file():
        return place.read_text(encoding="utf-8")
    readme = (place / "README.md").read_text(encoding="utf-8")
    modules = sorted(place.glob("*/*.py"))
    sources = [f"## {file.relative_to(place)}\n\n```python\n{file.read_text(encoding='utf-8')}```\n" for file in modules]
    return "\n".join([readme, *sources])


def cells(notebook: dict[str, Any]) -> Iterator[str]:
    """A notebook as Markdown: its text, its code, and below it what the code gave."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield f"{source}\n"
            continue
        yield f"```python\n{source}\n```\n"
        for output in cell["outputs"]:
            given = {form: "".join(text) for form, text in output.get("data", {"text/plain": output.get("text")}).items()}
            plain = STYLED.sub("", given["text/plain"]).rstrip()
            shown = given.get("text/html") or f"\n\n```text\n{plain}\n```\n\n"
            yield f'<div class="given"{"" if "text/html" in given else " markdown"}>{shown}</div>\n'


def linked(text: str, source: str, page: str) -> str:
    """The text of a page with its links turned to the site's.

    text: Markdown, whose relative links count from `source`, a file in the repository.
    page: where it stands in the site.
    """

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        placed = PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        return posixpath.relpath(placed, posixpath.dirname(page) or ".") if placed else link[1]

    return LINK.sub(turned, text)


def commands() -> Iterator[str]:
    """Each command that comes with mtk: what it does, how it is called, and its flags."""
    from click import Context

    from mtk_cli import OWN

    for command in (module.command for module in OWN):
        context = Context(command, info_name=f"mtk {command.name}")
        flags = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
        words = inspect.cleandoc(command.help or "").replace("\b\n", "")
        yield f"## mtk {command.name}\n\n{_cell(words)}\n"
        yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
        yield "| flag | |\n| --- | --- |"
        yield from (f"| `{flag}` | {_cell(' '.join(meaning.split()))} |" for flag, meaning in flags)
        yield ""


def _cell(words: str) -> str:
    """Words as they stand: no table's wall, no tag and no emphasis."""
    return re.sub(r"([|*_<\[\]])", r"\\\1", words)


def on_files(files: Files, config: Any) -> Files:
    """The pages that are no files of docs/ are added."""
    from mkdocs.structure.files import File

    for path, page in PAGES.items():
        if page not in files.src_uris:
            files.append(File.generated(config, page, content=content(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Links are turned, wherever the page comes from, and the commands come to their place."""
    uri = page.file.src_uri
    if uri == "cli.md":
        return markdown + "\n".join(commands())
    of = {to: path for path, to in PAGES.items() if to != "index.md"}
    path = of.get(uri, f"docs/{uri}")
    turned = linked(markdown, f"{path}/README.md" if (ROOT / path).is_dir() else path, uri)
    # in code within a table, GitHub needs a backslash before a bar, and would show it here
    return re.sub(r"`[^`\n]+`", lambda code: code[0].replace(r"\|", "|"), turned)
