"""With fifty plugins installed, listing stays quick and imports none of what they bring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PLUGIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    for kind in ("head", "combiner", "augmenter", "tasks", "listener", "command"):
        getattr(registry, kind)("many-{number}", "many_parts_{number}:Part", summary="one of fifty")
"""

LIST = """
import atexit, sys
sys.argv = ["mtk", *{arguments!r}]
heavy = ("torch", "transformers", "nltk", "scipy", "sklearn")
atexit.register(lambda: print([m for m in sys.modules if m in heavy or m.startswith("many_parts")], file=sys.stderr))
from mtk_cli import main
main()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty packages, as an installer leaves them."""
    site = tmp_path_factory.mktemp("fifty")
    for number in range(50):
        (site / f"many_{number}.py").write_text(PLUGIN.format(number=number))
        (site / f"many_parts_{number}.py").write_text("raise AssertionError('listing must not import this')")
        info = site / f"many_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: many-{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mtk]\nmany-{number} = many_{number}\n")
    return site


def mtk(site: Path, *arguments: str) -> tuple[str, float]:
    """What it printed, and the seconds it took. It imported nothing heavy."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LIST.format(arguments=arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    return done.stdout, time.perf_counter() - began


@pytest.mark.parametrize("flag", ["--json", "--verbose"])
def test_fifty_plugins_are_listed_quickly_and_not_imported(site: Path, flag: str) -> None:
    stdout, seconds = mtk(site, "list", flag)
    if flag == "--json":
        found = {(row["kind"], row["name"], row["status"]) for row in json.loads(stdout)}
        assert {("head", f"many-{number}", "ok") for number in range(50)} <= found
        assert not [row for row in found if row[0] == "plugin"]
    assert "many_parts_49:Part" in stdout
    assert seconds < 3  # a third of a second on a quiet machine


def test_the_help_names_fifty_commands(site: Path) -> None:
    stdout, seconds = mtk(site, "--help")
    assert stdout.count("one of fifty") == 50
    assert seconds < 3
