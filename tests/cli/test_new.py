"""`mtk new`: what it writes installs, passes its own tests, is listed and trains, under another name too; what it cannot
write, it says."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result
from installing import install, run_python
from packaging.requirements import Requirement
from packaging.version import Version

import mtk_cli.new
from mtk.host.contracts import PartKind
from mtk_cli import cli
from mtk_cli.new import KINDS, TEMPLATES

ROOT = Path(__file__).parents[2]
NOT_IN_A_RUN = ("command", "kind")  # the one is no part of it, the other is named by its data
CHECKED = [kind for kind in KINDS if kind not in ("tasks", "encoder", "command")]


def name_of(kind: str) -> str:
    return f"first-{kind}2"


def new(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["new", *arguments])


def python(*command: str, cwd: Path, site: Path | None = None) -> str:
    """What `python …` prints, in a process of its own with the packages in a directory installed."""
    code, stdout, stderr = run_python(*command, packages=site, cwd=cwd)
    assert code == 0, stdout + stderr
    return stdout


def own_tests(packages: Iterable[Path], site: Path, *arguments: str) -> str:
    """What the packages' own tests print, all of them in one process."""
    return python(
        *("-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", *arguments, *map(str, packages)),
        cwd=site,
        site=site,
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The directory that `mtk new` writes, for each kind."""
    directory = tmp_path_factory.mktemp("new")
    written = {kind: directory / f"mtk-{name_of(kind)}" for kind in KINDS}
    for kind, package in written.items():
        result = new(name_of(kind), f"--{kind}", "--out", str(package))
        assert result.exit_code == 0, result.output
    return written


@pytest.fixture(scope="module")
def site(packages: dict[str, Path], tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, installed; the encoder's package with a folder, as its README has it."""
    with_folder = tmp_path_factory.mktemp("with-folder") / "encoder"
    shutil.copytree(packages["encoder"], with_folder)
    shutil.copytree(tiny_encoder, with_folder / "src" / "mtk_first_encoder2" / "model")
    return install(*{**packages, "encoder": with_folder}.values(), into=tmp_path_factory.mktemp("installed") / "site")


# What it writes --------------------------------------------------------------------------------------------------------


def test_there_is_one_for_every_kind_of_part() -> None:
    assert set(KINDS) == set(get_args(PartKind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_spelling_is_the_packages_own(kind: str, packages: dict[str, Path]) -> None:
    files = [file for file in packages[kind].rglob("*") if file.is_file()]
    assert not [file for file in files if "newcomer" in (str(file) + file.read_text()).lower()]
    assert (packages[kind] / "src" / f"mtk_first_{kind}2" / "__init__.py") in files


def test_its_tests_name_nothing_of_it(packages: dict[str, Path]) -> None:
    tests = [file.read_text() for package in packages.values() for file in (package / "tests").rglob("*.py")]
    assert not [test for test in tests if re.search(r"first[-_]?\w+2", test, re.IGNORECASE)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_requires_the_release_that_it_was_written_for(kind: str, packages: dict[str, Path]) -> None:
    project = tomllib.loads((packages[kind] / "pyproject.toml").read_text())["project"]
    (requirement,) = map(Requirement, project["dependencies"])
    installed = Version(mtk_cli.new.version(requirement.name))
    assert requirement.specifier.contains(installed.base_version)
    assert not requirement.specifier.contains(f"{installed.major + 1}.0")
    assert project["entry-points"] == {"mtk": {name_of(kind): f"mtk_first_{kind}2"}}


@pytest.mark.parametrize(("release", "range"), [("0.1.0", ">=0.1,<0.2"), ("0.9.3.dev1", ">=0.9,<0.10"), ("1.4", ">=1.4,<2")])
def test_before_one_a_minor_release_may_change_a_contract_and_then_a_major_one(release: str, range: str) -> None:
    assert mtk_cli.new._compatible(release) == range


@pytest.mark.parametrize("name", ["x", "none", "first-try2", "a-name-of-some-length"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_clean(kind: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    package = tmp_path / f"mtk-{name}"
    assert new(name, f"--{kind}", "--out", str(package)).exit_code == 0
    python("-m", "ruff", "check", "--isolated", "--extend-select=I,B,UP,SIM,RET,PTH", ".", cwd=package)
    python("-m", "ruff", "format", "--isolated", "--check", ".", cwd=package)


@pytest.mark.slow
def test_their_own_tests_pass(packages: dict[str, Path], site: Path) -> None:
    assert " passed" in own_tests(packages.values(), site)


@pytest.mark.slow
def test_without_being_installed_its_own_tests_fail(packages: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing of this package is installed"):
        own_tests([packages["tasks"]], tmp_path)


def test_they_are_listed(site: Path) -> None:
    rows = json.loads(python("-m", "mtk_cli", "list", "--json", cwd=site, site=site))
    found = {row["kind"]: row for row in rows if row["package"].startswith("mtk-first-")}
    assert list(found) and set(found) == set(KINDS)
    for kind, row in found.items():
        name = name_of(kind)
        assert (row["name"], row["plugin"], row["package"], row["status"]) == (name, name, f"mtk-{name}", "ok")


@pytest.mark.slow
def test_a_run_takes_them_all(site: Path, tmp_path: Path) -> None:
    one = ("data", "tasks"), ("encoder", "encoder"), ("head", "head"), ("combiner", "combiner"), ("augment", "augmenter")
    flags = (
        *one,
        ("listen", "listener"),
        *((kind, kind) for kind in ("sampler", "optimizer", "schedule", "pooling", "stage")),
    )
    parts = [text for flag, kind in flags for text in (f"--{flag}", name_of(kind))]
    python("-m", "mtk_cli", "run", *parts, "--steps", "3", "--device", "cpu", "--out", "run", cwd=tmp_path, site=site)
    configuration = (tmp_path / "run" / "config.toml").read_text()
    assert not [kind for kind in KINDS if kind not in NOT_IN_A_RUN and f"mtk-{name_of(kind)} 0.1.0" not in configuration]
    average = json.loads((tmp_path / "run" / "summary.json").read_text())["best"]["average"]
    assert (tmp_path / "run" / "scores.csv").read_text().startswith("epoch,step,message,reply")
    assert python("-m", "mtk_cli", "first-command2", "run", cwd=tmp_path, site=site) == f"{average:.4f}  run\n"


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_wrote_and_what_comes_next(kind: str) -> None:
    with CliRunner().isolated_filesystem():
        output = new("fresh", f"--{kind}").output
        written = {file.relative_to("mtk-fresh").as_posix() for file in Path("mtk-fresh").rglob("*") if file.is_file()}
    lines = [line.strip() for line in output.splitlines()]
    assert written <= set(lines)
    check = "mtk check mtk-fresh" if kind in CHECKED else "pytest mtk-fresh"
    assert lines[-3:-1] == ["pip install -e 'mtk-fresh[test]'", check]
    assert lines[-1].startswith("mtk ")
    assert "fresh" in lines[-1].split()


# Under another name ----------------------------------------------------------------------------------------------------


def renamed(package: Path, names: dict[str, str], copy: Path) -> Path:
    """A copy of a package with some of its names changed wherever they stand, in files and folders."""
    for file in [file for file in package.rglob("*") if file.is_file()]:
        place, text = file.relative_to(package).as_posix(), file.read_text()
        for old, its_new in names.items():
            place, text = place.replace(old, its_new), text.replace(old, its_new)
        (copy / place).parent.mkdir(parents=True, exist_ok=True)
        (copy / place).write_text(text)
    return copy


@pytest.mark.slow
def test_with_all_names_changed(packages: dict[str, Path], tmp_path: Path) -> None:
    copies = []
    for kind, package in packages.items():
        names = {
            f"mtk-first-{kind}2": f"{kind}-of-mine",  # the package
            f"mtk_first_{kind}2": f"mine_for_{kind}",  # the module
            f"First{kind.capitalize()}2": "Mine",  # the class
            f"first-{kind}2": f"my-{kind}",  # the part and the plugin
        }
        copies.append(renamed(package, names, tmp_path / f"{kind}-of-mine"))
    site = install(*copies, into=tmp_path / "site")
    one_each = "shape or never-empty or written-labels or counts or factors or descends or hears or stage-loss"
    output = own_tests(copies, site, "-v", "-k", f"not test_contract or {one_each}")  # `mtk check` runs the rest
    assert all(f"my-{kind}]" in output for kind in KINDS if kind not in CHECKED)
    assert all(f"[my-{kind}-" in output for kind in CHECKED)
    checks = "from mtk_cli import cli; [cli(['check', f'{kind}-of-mine'], standalone_mode=False) for kind in %r]"
    checked = python("-c", checks % (CHECKED,), cwd=tmp_path, site=site)  # in one process, which imports torch once
    assert all(f"my-{kind} " in checked for kind in CHECKED)
    assert "broken" not in checked


def test_with_each_name_changed_by_itself(tmp_path: Path) -> None:
    """As the package's README says where each stands."""
    copies = []
    for which in ("part", "package", "module", "plugin"):
        fresh = tmp_path / "fresh" / which
        assert new(which, "--tasks", "--out", str(fresh)).exit_code == 0
        names = {
            "part": {f'"{which}",': '"other",'},
            "package": {f'name = "mtk-{which}"': 'name = "other-package"'},
            "module": {f"mtk_{which}": "other_module"},
            "plugin": {f"\n{which} = ": "\nother-plugin = "},
        }
        copies.append(renamed(fresh, names[which], tmp_path / which))
    site = install(*copies, into=tmp_path / "site")
    assert "8 passed" in own_tests([copy / "tests" / "test_package.py" for copy in copies], site)
    rows = json.loads(python("-m", "mtk_cli", "list", "--json", cwd=tmp_path, site=site))
    found = {(row["name"], row["package"], row["plugin"]) for row in rows if row["kind"] == "tasks"}
    assert found > {
        ("other", "mtk-part", "part"),
        ("package", "other-package", "package"),
        ("module", "mtk-module", "module"),
        ("plugin", "mtk-plugin", "other-plugin"),
    }


# In the wheel ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_wheel_holds_every_template(tmp_path: Path) -> None:
    python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path), cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    templates = {f"mtk_cli/templates/{file.relative_to(TEMPLATES).as_posix()}" for file in TEMPLATES.rglob("*.*")}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in templates if "__pycache__" not in name and not name.endswith(".github")} <= held


# What it refuses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "A", "snake_case", "two words", "-x", "x-", "x--y", "3d", "é", "a.b", "a/b", "../x"])
def test_a_bad_name(name: str, tmp_path: Path) -> None:
    result = new("--head", "--out", str(tmp_path / "x"), "--", name)
    assert result.exit_code == 2
    assert f"'{name}' cannot name a package: write lower-case words" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cnn", "--head"), "There is a head 'cnn' already, of multitask-toolkit. Choose another name."),
        (("heads", "--combiner"), "There is a module 'mtk_heads' already, which the package would hide."),
        (("sample", "--tasks"), "There is a task set 'sample' already, of multitask-toolkit. Choose another name."),
        (("predict", "--command"), "There is a command 'predict' already, of multitask-toolkit. Choose another name."),
        (("fresh",), "Say what the package brings: one of --head, --combiner, --augmenter, "),
        (("fresh", "--head", "--combiner"), "Say what the package brings: one of"),
    ],
)
def test_what_makes_no_sense(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = new(*arguments, "--out", str(tmp_path / "x"))
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_there_stays(is_file: bool, tmp_path: Path) -> None:
    out = tmp_path / "x"
    out.write_text("mine") if is_file else out.mkdir()
    result = new("fresh", "--head", "--out", str(out))
    assert result.exit_code == 2
    assert f"{out} exists already" in result.output
    assert out.read_text() == "mine" if is_file else list(out.iterdir()) == []


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = new("fresh", "--head", "--out", str(tmp_path / "file" / "x"))
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_nothing_is_left_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text = Path.write_text

    def full(self: Path, *arguments: str, **options: str) -> int:
        if self.name == "pyproject.toml":
            raise OSError(28, "No space left on device")
        return write_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    result = new("fresh", "--head", "--out", str(tmp_path / "x"))
    assert result.exit_code == 2
    assert "cannot be written: No space left on device" in result.output
    assert list(tmp_path.iterdir()) == []
