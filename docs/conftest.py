"""Every code block of docs/plugins is a test. A page is tried from top to bottom, as its reader would, by an author with an
environment of their own.

    console     `$ COMMAND` is run, and what stands below it is compared with what it prints; `...` is any text
    sh          is run, and must succeed
    python      is run, and must succeed; a block that begins with the comment `# PATH.py` is written there instead

Numbers with a decimal point, times, devices and the author's directory differ from one machine to the next, and count as
equal.
"""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from collections.abc import Callable, Iterable
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

HOME = "/home/ada"  # where the author of the guide's transcripts works
VARIES = re.compile(r"-?\d+(\.\d+)+|\d+:\d\d:\d\d|\d{8}-\d{6}|[\d,]+(?= examples/s)|(cpu|cuda:\d+), (fp32|bf16)")
COMMANDS = {"mtk": "mtk_cli", "pip": "pip", "pytest": "pytest"}  # name -> module


class Author:
    """Somebody who has installed mtk, in a directory that is empty at first. Nothing is fetched for them: what they install
    is built with the packages of these tests."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "work"
        self.directory.mkdir()
        environment = home / "venv"
        venv.create(environment)
        paths = {"base": str(environment), "platbase": str(environment)}
        borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (Path(sysconfig.get_path("purelib", vars=paths)) / "borrowed.pth").write_text(
            "".join(f"import site; site.addsitedir({place!r})\n" for place in borrowed)
        )
        scripts = Path(sysconfig.get_path("scripts", vars=paths))
        for name, module in COMMANDS.items():
            (scripts / name).write_text(f'#!/bin/sh\nexec "{scripts}/python" -m {module} "$@"\n')
            (scripts / name).chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MTK_DISABLE_PLUGINS", "VIRTUAL_ENV")}
        # pip reads the second as the value of its flag --no-build-isolation, and so 0 as what that flag means.
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        kept["MTK_CACHE"] = str(home / "cache")
        self._environment = {**kept, **offline, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *command: str, stdin: str = "") -> tuple[int, str]:
        """The exit code of a command, and what it prints."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self._environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout.replace(str(self.directory), HOME)


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    return Author(tmp_path_factory.mktemp("author"))


def console(example: Example) -> str | None:
    checker, flags = OutputChecker(), ELLIPSIS | NORMALIZE_WHITESPACE
    for step in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        command, expected = re.split(r"(?<!\\)\n", step, maxsplit=1)
        printed = example.namespace["author"].run("bash", "-c", command)[1]
        if not checker.check_output(VARIES.sub("0", expected), VARIES.sub("0", printed), flags):
            return f"$ {command}\nshould print:\n{expected}\nand prints:\n{printed}"
    return None


def sh(example: Example) -> str | None:
    code, printed = example.namespace["author"].run("bash", "-euo", "pipefail", "-c", example.parsed)
    return f"exit code {code}:\n{printed}" if code else None


def python(example: Example) -> str | None:
    author: Author = example.namespace["author"]
    if path := re.match(r"# (\S+\.py)\n", example.parsed):
        (author.directory / path[1]).write_text(example.parsed, encoding="utf-8")
        return None
    code, printed = author.run("python", "-", stdin=example.parsed)
    return f"exit code {code}:\n{printed}" if code else None


def unknown(example: Example) -> str:
    return "No test runs a block of this language: take console, sh or python."


LANGUAGES: dict[str, Callable[[Example], str | None]] = {"console": console, "sh": sh, "python": python}


def blocks(document: Document) -> Iterable[Region]:
    for region in FencedCodeBlockLexer(".*")(document):
        region.parsed = str(region.lexemes["source"])
        region.evaluator = LANGUAGES.get(region.lexemes["language"], unknown)
        yield region


pytest_collect_file = Sybil(parsers=[blocks], path="plugins", pattern="*.md", fixtures=["author"]).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, SybilItem):
            item.add_marker(pytest.mark.slow)
