"""`mtk check`: every component of a package, every promise, and an exit status that says what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mtk_cli import cli

Install = Callable[..., Path]


def check(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments])


PLUGIN = """
import mtk

@mtk.hookimpl
def mtk_register(registry):
    registry.combiner("even", "clinic.parts:Even", summary="s")
    registry.augmenter("odd", "clinic.parts:Odd", summary="s")
"""

PARTS = """
import mtk

class Even(mtk.LossCombiner):
    def __init__(self, tasks, *, power: int = 1):
        super().__init__(tasks)
        self.power = power

    def scalarize(self, losses):
        return losses.pow(self.power).sum()

class Odd(mtk.Augmenter):
    def __call__(self, words, rng):
        return [words[1]]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a package `mtk-clinic` with a plugin `ward` on the path."""

    def install(plugin: str = PLUGIN, parts: str = PARTS, entry_points: str = "[mtk]\nward = clinic\n") -> Path:
        package, info = tmp_path / "clinic", tmp_path / "mtk_clinic-1.2.dist-info"
        for folder in (package, info):
            folder.mkdir()
        (package / "__init__.py").write_text(plugin)
        (package / "parts.py").write_text(parts)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mtk-clinic\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(entry_points)
        return package

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    for module in [name for name in sys.modules if name.partition(".")[0] == "clinic"]:
        del sys.modules[module]


def statuses(result: Result) -> dict[str, set[str]]:
    """Of each component, what its checks came to."""
    found: dict[str, set[str]] = {}
    for row in json.loads(result.stdout):
        found.setdefault(row["name"], set()).add(row["status"])
    return found


@pytest.mark.parametrize("name", ["mtk-clinic", "Mtk_Clinic", "ward"])
def test_a_package_or_a_plugin_is_all_of_its_components(install: Install, name: str) -> None:
    package = install()
    result = check(name)
    assert result.exit_code == 1
    table, _, messages = result.stdout.partition("\n\n")
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["kind", "name", "check", "status"]
    assert ["combiner", "even", "finite", "ok"] in rows
    assert ["augmenter", "odd", "any-sentence", "broken"] in rows
    assert messages.startswith("augmenter odd, any-sentence: clinic.parts.Odd breaks the promise 'any-sentence': No ")
    assert f"Seen: IndexError: tuple index out of range ({package / 'parts.py'}:14), with '" in messages


@pytest.mark.parametrize("name", ["even", "mtk-clinic/even", "even:power=1"])
def test_a_component_can_be_checked_alone(install: Install, name: str) -> None:
    install()
    result = check(name, "--json")
    assert result.exit_code == 0
    assert statuses(result) == {"even": {"ok"}}
    row = json.loads(result.stdout)[0]
    assert row == {
        "kind": "combiner",
        "name": "even",
        "package": "mtk-clinic",
        "check": "shape",
        "status": "ok",
        "promise": row["promise"],
        "message": "",
    }


def test_options_are_a_components_even_where_its_plugin_is_called_alike(install: Install) -> None:
    install(entry_points="[mtk]\neven = clinic\n")
    assert statuses(check("even:power=1", "--json")).keys() == {"even"}
    assert statuses(check("even", "--json")).keys() == {"even", "odd"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("even:power=much", "'much' is no value for option 'power' of 'even': it takes int."),
        ("even:powr=2", "'even' has no option 'powr'. Did you mean power?"),
    ],
)
def test_what_cannot_be_built_is_not_checked(install: Install, name: str, message: str) -> None:
    install()
    result = check(name)
    assert result.exit_code == 2
    assert result.stdout.splitlines()[1].split() == ["combiner", "even", "options", "not", "checked"]
    assert result.stdout.splitlines()[-1] == f"combiner even, options: {message}"


def test_a_component_that_cannot_be_imported_is_broken(install: Install) -> None:
    package = install(parts="import nowhere_to_be_found\n")
    result = check("ward")
    assert result.exit_code == 1
    assert f"ModuleNotFoundError: No module named 'nowhere_to_be_found' ({package / 'parts.py'}:1)" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "check_name", "message"),
    [
        ("super().__init__(tasks)", "pass", "constructor", "does not begin with super().__init__(tasks)"),
        ("super().__init__(tasks)", "1 / 0", "constructor", "ZeroDivisionError: division by zero ({parts}:6)"),
        ("super().__init__(tasks)", "import os; os._exit(3)", "constructor", "it called os._exit(3) ({parts}:6)"),
        (
            "tasks, *",
            "count, rank, *",
            "import",
            "asks for `rank`, which nobody gives it; it should be __init__(self, tasks,",
        ),
        (
            "    def scal",
            "    use_host = 1\n    def scal",
            "import",
            "has an attribute `use_host`, which neither mtk nor the",
        ),
        ("int = 1", "dict = {}", "import", "of a type that cannot be written as power=VALUE: dict; take one of str, int"),
    ],
)
def test_what_cannot_be_built_is_said_once(install: Install, old: str, new: str, check_name: str, message: str) -> None:
    package = install(parts=PARTS.replace(old, new))
    result = check("even")
    assert result.exit_code == 1
    table, _, text = result.stdout.partition("\n\n")
    assert [line.split() for line in table.splitlines()[1:]] == [["combiner", "even", check_name, "broken"]]
    assert message.replace("{parts}", str(package / "parts.py")) in text
    assert len(text.splitlines()) == 1


def test_a_method_that_ends_the_program_breaks_a_promise(install: Install) -> None:
    install(parts=PARTS.replace("return losses", "import os; os._exit(3); return losses"))
    result = check("even", "--json")
    assert result.exit_code == 1
    assert "SystemExit: it called os._exit(3)" in json.loads(result.stdout)[0]["message"]


def test_what_a_part_prints_stays_out_of_the_table(install: Install) -> None:
    install(parts=PARTS.replace("return losses", "print('aside'); return losses"))
    result = check("even")
    assert "aside" not in result.stdout
    assert "aside" in result.stderr


def test_a_plugin_that_takes_its_time_is_named(install: Install) -> None:
    install(plugin="import time\ntime.sleep(0.6)\n" + PLUGIN)
    result = check("even")
    assert result.exit_code == 0
    assert ["plugin", "ward", "registration", "slow"] in [line.split() for line in result.stdout.splitlines()]
    assert "The plugin 'ward' (mtk-clinic 1.2) takes 0.6 s to import" in result.stdout


def project(directory: Path, text: str = '[project]\nname = "mtk-clinic"\n') -> Path:
    directory.mkdir()
    (directory / "pyproject.toml").write_text(text)
    return directory


def test_a_directory_of_a_package_that_is_not_installed_says_how_to(tmp_path: Path) -> None:
    directory = project(tmp_path / "my clinic")
    for path in (directory, directory / "pyproject.toml"):
        result = check(str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            f"error: The package 'mtk-clinic' in {directory} is not installed: pip install -e '{directory}', and then "
            f"mtk check mtk-clinic\n"
        )


def test_a_directory_of_an_installed_package_is_that_package(install: Install, tmp_path: Path) -> None:
    install(parts=PARTS.replace("words[1]", "words[0]"))
    directory = project(tmp_path / "project", '[project]\nname = "Mtk_Clinic"\n')
    result = check(str(directory), "--json")
    assert statuses(result).keys() == {"even", "odd"}
    assert result.stderr == (
        f"note: mtk-clinic is checked as it was installed, not as it is in {directory}: pip install -e {directory}\n"
    )
    origin = {"url": directory.as_uri(), "dir_info": {"editable": True}}
    (tmp_path / "mtk_clinic-1.2.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    assert check(str(directory), "--json").stderr == ""


@pytest.mark.parametrize("text", ["", "[project]\n", "not toml ["])
def test_a_directory_that_names_no_package_says_so(tmp_path: Path, text: str) -> None:
    directory = project(tmp_path / "project", text)
    result = check(str(directory))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {directory / 'pyproject.toml'} does not say which package is in {directory}: ")


def test_a_name_that_is_known_is_no_directory(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    project(tmp_path / "even", '[project]\nname = "elsewhere"\n')
    monkeypatch.chdir(tmp_path)
    assert statuses(check("even", "--json")).keys() == {"even"}


def test_a_plugin_that_cannot_register_is_broken(install: Install) -> None:
    package = install(plugin="1 / 0\n")
    result = check("mtk-clinic")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].split() == ["plugin", "ward", "registration", "broken"]
    assert f"ZeroDivisionError: division by zero ({package / '__init__.py'}:1)" in result.stdout


def test_a_package_that_brings_nothing_says_so(install: Install) -> None:
    install(entry_points="")
    result = check("mtk-clinic")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: The package 'mtk-clinic' brings no part that could be checked.")


def test_an_unknown_name_is_answered_with_the_nearest(install: Install) -> None:
    install()
    result = check("mtk-clinik")
    assert result.exit_code == 2
    assert result.stderr == "error: There is no package, plugin or component 'mtk-clinik'. Did you mean mtk-clinic?\n"


def test_without_hypothesis_one_line_says_which_extra_brings_it() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None; sys.argv = ['mtk', 'check', 'linear']; import mtk_cli; mtk_cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: mtk.testing needs hypothesis, which an extra brings: pip install 'multitask-toolkit[test]'\n"
    )
