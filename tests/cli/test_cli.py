"""The command line as a program: what it imports, how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from command_line import invoke, python

HEAVY = ("torch", "transformers", "nltk", "scipy", "sklearn")


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], (*HEAVY, "rich")),
        (["--version"], (*HEAVY, "rich")),
        (["run", "--help"], (*HEAVY, "rich")),
        (["list"], HEAVY),
        (["run", "--epochs", "0"], (*HEAVY, "rich")),
    ],
)
def test_a_light_command_imports_nothing_heavy(arguments: list[str], absent: tuple[str, ...]) -> None:
    code = f"""
import atexit, sys
sys.argv = ["mtk", *{arguments!r}]
atexit.register(lambda: print(set({absent!r}) & set(sys.modules), file=sys.stderr))
from mtk_cli import main
main()
"""
    assert python(code).stderr.splitlines()[-1] == "set()"


def test_version_and_module() -> None:
    done = subprocess.run([sys.executable, "-m", "mtk_cli", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"mtk \d+\.\d+\.\d+\S*\n", done.stdout)


def test_an_unknown_command_exits_2() -> None:
    result = invoke("rum")
    assert result.exit_code == 2
    assert "rum" in result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"]])
def test_a_closed_pipe_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "mtk_cli", *arguments], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b""
