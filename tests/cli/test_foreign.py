"""A command that a plugin brings: found by its name, imported when it is used, and blamed on its package when it fails."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

import mtk
from mtk_cli import cli, foreign

Install = Callable[..., object]


COMMAND = """
import click, sys

@click.command()
@click.argument("patient")
def command(patient):
    "Cures a patient."
    if patient == "plugin":
        1 / 0
    if patient == "flag":
        raise click.UsageError("no such patient")
    click.echo(f"cured {patient}")

other = "no command"
"""


def brings_commands(*calls: str) -> str:
    body = "\n    ".join(f"registry.command({call}, summary='cures')" for call in calls)
    return f"import mtk\n\n@mtk.hookimpl\ndef mtk_register(registry):\n    {body}\n"


def test_a_plugin_brings_a_command(install: Install) -> None:
    names = ("'cure', 'clinic_part:command'", "'none', 'clinic_part:other'", "'list', 'clinic_part:command'")
    site = install("clinic-box", {"clinic": brings_commands(*names), "clinic_part": COMMAND}, {"ward": "clinic"})

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, arguments)
        return result.exit_code, result.output

    assert invoke("cure", "Ann") == (0, "cured Ann\n")
    assert invoke("clinic-box/cure", "Ann") == (0, "cured Ann\n")
    assert invoke("cure", "flag")[0] == 2
    assert "cures (clinic-box)" in invoke("--help")[1]
    assert "Cures a patient." in invoke("show", "cure")[1]
    assert invoke("cure", "plugin") == (
        1,
        "error: The command 'cure' of plugin 'ward' (clinic-box 1.2) is broken: ZeroDivisionError: division by zero "
        f"({site / 'clinic_part.py'}:9)\n",
    )
    assert "is broken: clinic_part:other is not a click command" in invoke("none")[1]
    assert "broken: mtk has a command of this name itself" in invoke("list")[1]


def test_a_command_is_found_by_either_name_and_not_imported(install: Install) -> None:
    install("clinic-box", {"clinic": brings_commands("'cure', 'clinic_part:command'"), "clinic_part": "1 / 0"})
    found = foreign.find("cure")
    assert found is not None
    assert found == foreign.find("clinic-box/cure")
    assert foreign.find("curre") is None
    assert found in foreign.offered(own=["list"])
    assert found not in foreign.offered(own=["cure"]), "nobody could reach it"
    with pytest.raises(mtk.UsageError, match="ZeroDivisionError"):
        foreign.load(found)


def test_what_it_gives_is_a_click_command(install: Install) -> None:
    install("clinic-box", {"clinic": brings_commands("'cure', 'clinic_part:command'"), "clinic_part": COMMAND})
    found = foreign.find("cure")
    assert found is not None
    assert isinstance(foreign.load(found), click.Command)
