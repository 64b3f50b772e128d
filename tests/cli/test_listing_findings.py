"""`mtk list` finds what is missing and what is slow, and imports no part for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from mtk_cli import cli

Install = Callable[..., Path]

PLUGIN = """
import time, mtk

time.sleep(0.6)

@mtk.hookimpl
def mtk_register(registry):
    registry.head("here", "clinic_part:Here", summary="s")
    registry.head("misspelt", "clinic_part:Heer", summary="s")
    registry.head("gone", "nowhere:Here", summary="s")
"""
PART = "import mtk\nclass Here(mtk.Head): ...\nclass There(Here): ...\n"


def test_what_is_missing_is_broken_and_what_is_slow_is_named(install: Install) -> None:
    site = install("clinic", {"clinic": PLUGIN, "clinic_part": PART}, {"ward": "clinic"})
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(cli, ["list", "--json"]).stdout)}
    assert {name: rows[name]["status"] for name in ("here", "misspelt", "gone")} == {
        "here": "ok",
        "misspelt": f"broken: {site / 'clinic_part.py'} has no Heer",
        "gone": "broken: there is no module nowhere",
    }
    assert rows["here"]["seconds"] == rows["gone"]["seconds"] >= 0.6
    assert rows["pcgrad"]["seconds"] < 0.5
    assert "clinic_part" not in sys.modules


def test_a_slow_plugin_is_named_below_the_table(install: Install) -> None:
    install("clinic", {"clinic": PLUGIN + "\n1 / 0"}, {"ward": "clinic"})  # slow, and broken at the end of it
    lines = CliRunner().invoke(cli, ["list"]).stdout.splitlines()
    assert lines[-1].startswith("The plugin 'ward' (clinic 1.2) takes 0.6 s to import, and every command waits for it.")
    assert "ZeroDivisionError" in lines[-3]
    assert sum("every command waits" in line for line in lines) == 1


def test_nothing_is_said_of_quick_plugins() -> None:
    assert "every command waits" not in CliRunner().invoke(cli, ["list"]).stdout
