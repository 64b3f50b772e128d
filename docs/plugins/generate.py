"""Writes reference.md: what a plugin may implement and what it is handed, in the words of the code itself.

python docs/plugins/generate.py
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

PAGE = Path(__file__).with_name("reference.md")

# title, module, the classes that an author meets; all of the module's functions that are hooks
SECTIONS = [
    ("Hooks", "mtk.hookspecs", ()),
    ("Registration", "mtk.registration", ("Registration",)),
    ("Heads", "mtk.head", ("Encoding", "Head")),
    ("Kinds", "mtk.kind", ("Kind",)),
    ("Combiners", "mtk.combiner", ("Step", "Combiner", "LossCombiner", "GramianCombiner", "GradientCombiner")),
    ("Augmenters", "mtk.augmenter", ("Augmenter",)),
    ("Samplers", "mtk.sampler", ("Sampler",)),
    ("Schedules", "mtk.schedule", ("Schedule",)),
    ("Poolings", "mtk.pooling", ("Pooling",)),
    ("Stages", "mtk.stage", ("Stage",)),
    (
        "Events",
        "mtk.events",
        (
            "Preparation",
            "Plan",
            "PlannedTask",
            "StageProgress",
            "Progress",
            "Conflict",
            "EvaluationStart",
            "EvaluationProgress",
            "Evaluation",
            "Stop",
            "Result",
        ),
    ),
    ("The cache", "mtk.cache", ("kept",)),
    ("A tiny encoder", "mtk.testing.encoder", ("tiny_encoder",)),
    ("The conformance kit", "mtk.testing", ("checks",)),
]
WITHOUT_WORDS = {"mtk.registration"}  # whose own docstring says no more than its class

CHECKS = [
    ("head", "mtk.testing.heads"),
    ("combiner", "mtk.testing.combiners"),
    ("kind", "mtk.testing.kinds"),
    ("augmenter", "mtk.testing.augmenters"),
    ("pooling", "mtk.testing.poolings"),
]

HEAD = """\
# Reference

<!-- Written by docs/plugins/generate.py from the code. Change it there. -->

The names are those of `mtk`, as in `mtk.Head`; hooks and events are documented here and not imported.
"""


def reference() -> str:
    """The page."""
    sections = [line for section in SECTIONS for line in _section(*section)]
    return "\n".join([HEAD, *sections, *(line for each in CHECKS for line in _checks(*each))])


def _section(title: str, module: str, names: tuple[str, ...]) -> Iterator[str]:
    source = inspect.getsource(import_module(module))
    tree = ast.parse(source)
    yield f"## {title}\n"
    if module not in WITHOUT_WORDS:
        yield f"{ast.get_docstring(tree)}\n"
    found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    hooks = [name for name, node in found.items() if any(ast.unparse(d) == "hookspec" for d in node.decorator_list)]
    for name in names or hooks:
        node = found[name]
        if isinstance(node, ast.FunctionDef):
            yield from _function(node, "###")
        else:
            yield from _class(node, source.splitlines())


def _class(node: ast.ClassDef, lines: list[str]) -> Iterator[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases if ast.unparse(base) != "ABC")
    yield f"### {node.name}({bases})\n" if bases else f"### {node.name}\n"
    yield f"{ast.get_docstring(node)}\n"
    fields = []
    for member, following in pairwise([*node.body, None]):
        if isinstance(member, ast.AnnAssign) and isinstance(following, ast.Expr):  # a string below it is its docstring
            yield f"#### `{ast.unparse(member)}`\n"
            yield f"{inspect.cleandoc(ast.literal_eval(following.value))}\n"
        elif isinstance(member, ast.AnnAssign):
            comment = lines[member.lineno - 1].partition("  # ")[2]
            fields.append(f"- `{ast.unparse(member)}`" + (f": {comment}" if comment else ""))
    if fields:
        yield "\n".join(fields) + "\n"
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and (member.name == "__call__" or not member.name.startswith("_")):
            yield from _function(member, "####")


def _checks(kind: str, module: str) -> Iterator[str]:
    """A line for each promise: a public function of a subject and an example, whose docstring says what is promised."""
    tested = import_module(module)
    declared = {promise.__name__ for promise in getattr(tested, "DECLARED", ())}
    yield f"### What every {kind} is checked for\n"
    for node in ast.parse(inspect.getsource(tested)).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _of_promise(node):
            condition = " (if declared)" if node.name in declared else ""
            words = " ".join((ast.get_docstring(node) or "").split())
            yield f"- `{node.name.replace('_', '-')}`{condition}: {words}"
    yield ""


def _of_promise(node: ast.FunctionDef) -> bool:
    returned = ast.unparse(node.returns) if node.returns else ""
    return [argument.arg for argument in node.args.args][:1] == ["subject"] and returned == "str | None"


def _function(node: ast.FunctionDef, level: str) -> Iterator[str]:
    arguments = re.sub(r"^self(, )?", "", ast.unparse(node.args))
    returns = "" if node.returns is None or ast.unparse(node.returns) == "None" else f" -> {ast.unparse(node.returns)}"
    yield f"{level} `{node.name}({arguments}){returns}`\n"
    yield f"{ast.get_docstring(node)}\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
