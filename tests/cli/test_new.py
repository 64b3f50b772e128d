"""`mtk new`: what it writes installs, passes its own tests, is listed and trains; what it cannot write, it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from packaging.requirements import Requirement
from packaging.version import Version

import mtk_cli.new
from mtk_cli import cli
from mtk_cli.new import FLAGS, TEMPLATES

ROOT = Path(__file__).parents[2]
NAME = "first-try2"
KINDS = list(FLAGS)


def new(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["new", *arguments])


def python(*arguments: str, cwd: Path, packages: Path | None = None) -> str:
    """What a module prints, run in a process of its own with the packages in a directory installed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MTK_DISABLE_PLUGINS")}
    environment |= {"PYTHONPATH": str(packages)} if packages else {}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def package(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that `mtk new` writes."""
    directory = tmp_path_factory.mktemp("new") / f"mtk-{NAME}"
    result = new(NAME, f"--{kind}", "--out", str(directory))
    assert result.exit_code == 0, result.output
    return directory


@pytest.fixture(scope="module")
def packages(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That package, installed as a user installs it, but with nothing fetched."""
    target = tmp_path_factory.mktemp("packages")
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    python("pip", "install", *offline, "--target", str(target), str(package), cwd=package)
    return target


# What it writes --------------------------------------------------------------------------------------------------------


def test_every_spelling_is_the_packages_own(kind: str, package: Path) -> None:
    files = [file for file in package.rglob("*") if file.is_file()]
    assert not [file for file in files if "newcomer" in (str(file) + file.read_text()).lower()]
    component = (package / "mtk_first_try2" / f"{kind}.py").read_text()
    assert f"class FirstTry2{kind.capitalize()}(mtk." in component


def test_it_requires_the_release_that_it_was_written_for(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    (requirement,) = map(Requirement, project["dependencies"])
    installed = Version(mtk_cli.new.version(requirement.name))
    assert requirement.specifier.contains(installed.base_version)
    assert not requirement.specifier.contains(f"{installed.major + 1}.0")
    assert project["entry-points"] == {"mtk": {NAME: "mtk_first_try2"}}


@pytest.mark.parametrize(("release", "range"), [("0.1.0", ">=0.1,<0.2"), ("0.9.3.dev1", ">=0.9,<0.10"), ("1.4", ">=1.4,<2")])
def test_before_one_a_minor_release_may_change_a_contract_and_then_a_major_one(release: str, range: str) -> None:
    assert mtk_cli.new._compatible(release) == range


@pytest.mark.parametrize("name", ["x", "none", NAME, "a-name-of-some-length"])
def test_it_is_clean(kind: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    package = tmp_path / f"mtk-{name}"
    assert new(name, f"--{kind}", "--out", str(package)).exit_code == 0
    python("ruff", "check", "--isolated", "--extend-select=I,B,UP,SIM,RET,PTH", ".", cwd=package)
    python("ruff", "format", "--isolated", "--check", ".", cwd=package)


@pytest.mark.slow
def test_its_own_tests_pass(package: Path, packages: Path) -> None:
    assert " passed" in python("pytest", "-p", "no:cacheprovider", str(package), cwd=packages, packages=packages)


def test_it_is_listed(kind: str, packages: Path) -> None:
    rows = json.loads(python("mtk_cli", "list", "--json", cwd=packages, packages=packages))
    (row,) = [row for row in rows if row["package"] == f"mtk-{NAME}"]
    assert (row["kind"], row["name"], row["plugin"], row["status"]) == (kind, NAME, NAME, "ok")


@pytest.mark.slow
def test_it_trains(kind: str, packages: Path, tiny_encoder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    tiny = ("--data", str(tiny_corpus), "--encoder", str(tiny_encoder), "--steps", "3", "--device", "cpu")
    python("mtk_cli", "run", *tiny, FLAGS[kind], NAME, "--out", "run", cwd=tmp_path, packages=packages)
    assert f"mtk-{NAME} 0.1.0" in (tmp_path / "run" / "config.toml").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 3


def test_it_says_what_it_wrote_and_what_comes_next(kind: str) -> None:
    with CliRunner().isolated_filesystem():
        output = new("fresh", f"--{kind}").output
        written = {file.relative_to("mtk-fresh").as_posix() for file in Path("mtk-fresh").rglob("*") if file.is_file()}
    lines = [line.strip() for line in output.splitlines()]
    assert written <= set(lines)
    assert lines[-3:] == ["pip install -e 'mtk-fresh[test]'", "mtk check mtk-fresh", f"mtk run {FLAGS[kind]} fresh"]


@pytest.mark.slow
def test_the_wheel_holds_every_template(tmp_path: Path) -> None:
    python("hatchling", "build", "--target", "wheel", "--directory", str(tmp_path), cwd=ROOT)
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
        (("fresh",), "Say what the package brings: one of --head, --combiner and --augmenter."),
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
