"""Draws the rooms of architecture.md from the imports of the code, and lists the walls that import-linter holds.

python docs/architecture.py
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import grimp

PAGE = Path(__file__).with_name("architecture.md")
SETTINGS = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
CORE, CLI = "mtk", "mtk_cli"

# What lies at the top of the framework is a contract, but for these.
TOP = {name: name for name in ("pipeline", "plan", "files", "errors")} | {
    "registration": "host",
    "locks": "files",
    "hub": "files",
}
LABELS = {
    "cli": "cli/mtk_cli<br>the terminal",
    "plugins": "plugins/*<br>the parts",
    "pipeline": "pipeline.py<br>a run, in order",
    "plan": "plan.py<br>text becomes parts",
    "files": "files.py<br>whole or absent",
    "errors": "errors.py<br>what a user reads",
    "contracts": "contracts<br>head, combiner, augmenter, kind,<br>task, events, config, …",
}

Rooms = dict[str, set[str]]
"""room -> the rooms that it imports."""


def rooms() -> Rooms:
    """The rooms, and which imports which. What is imported for the type checker alone does not count."""
    graph = grimp.build_graph(*SETTINGS["root_packages"], exclude_type_checking_imports=True, cache_dir=None)
    folders = {module for module in graph.find_children(CORE) if graph.find_children(module)}

    def room_of(module: str) -> str:
        package, *below = module.split(".")
        if package != CORE:
            return "cli" if package == CLI else "plugins"
        if not below:
            return "contracts"  # `import mtk` gives the public names
        return below[0] if f"{CORE}.{below[0]}" in folders else TOP.get(below[0], "contracts")

    found: Rooms = {room_of(module): set() for module in graph.modules}
    for module in graph.modules:
        found[room_of(module)] |= {room_of(other) for other in graph.find_modules_directly_imported_by(module)}
    return {room: found[room] - {room} for room in sorted(found)}


def drawing(found: Rooms) -> str:
    """The rooms as a Mermaid diagram, without an arrow from one to another that it reaches through a third."""

    def reach(room: str) -> set[str]:
        reached: set[str] = set()
        waiting = [room]
        while waiting:
            new = found[waiting.pop()] - reached
            reached |= new
            waiting += new
        return reached

    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    {room}["{LABELS.get(room, room + "/")}"]' for room in found]
    for room, imported in found.items():
        farther = set().union(*(reach(other) for other in imported))
        lines += [f"    {room} --> {other}" for other in sorted(imported - farther)]
    return "\n".join([*lines, "```"])


def table(found: Rooms) -> str:
    """Every import between rooms."""
    rows = [f"| {room} | {', '.join(sorted(imported)) or 'nothing'} |" for room, imported in found.items()]
    return "\n".join(["| room | imports |", "| --- | --- |", *rows])


def walls() -> str:
    """The contracts that import-linter checks, by name."""
    return "\n".join(f"- {contract['name']}." for contract in SETTINGS["contracts"])


def written() -> str:
    """The page, with what stands between its markers made anew."""
    found, page = rooms(), PAGE.read_text(encoding="utf-8")
    for name, content in (("rooms", drawing(found)), ("imports", table(found)), ("walls", walls())):
        between = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page = between.sub(lambda m, content=content: f"{m[1]}\n{content}\n\n{m[2]}", page)
    return page


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
