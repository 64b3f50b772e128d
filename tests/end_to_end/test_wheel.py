"""The wheel has all that the checkout has: every package, its types, templates, corpus and pages; and it runs by itself."""

from __future__ import annotations

import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from installing import OFFLINE, install, run_python

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    offline = [flag for flag in OFFLINE if flag != "--no-deps"]
    code, _, stderr = run_python("-m", "pip", "wheel", "--no-deps", *offline, "--wheel-dir", str(out), str(ROOT))
    assert code == 0, stderr
    (built,) = out.glob("*.whl")
    return built


def test_every_package_is_named_in_pyproject() -> None:
    there = [path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("plugins/*/mtk_*/__init__.py")]
    assert sorted(PACKAGES) == sorted(["core/mtk", "cli/mtk_cli", *there])


def test_every_file_of_every_package_is_in_it(wheel: Path) -> None:
    within = set(ZipFile(wheel).namelist())
    for package in PACKAGES:
        files = [file for file in (ROOT / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        assert files
        missing = {file.relative_to((ROOT / package).parent).as_posix() for file in files} - within
        assert not missing
    assert "mtk/py.typed" in within


def test_it_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    installed = install(wheel, into=tmp_path / "installed")
    code, printed, stderr = run_python("-c", "import mtk; print(mtk.__file__)", packages=installed, cwd=tmp_path)
    assert (code, Path(printed.strip())) == (0, installed / "mtk" / "__init__.py"), stderr
    code, printed, stderr = run_python("-m", "mtk_cli", "list", packages=installed, cwd=tmp_path)
    assert code == 0, stderr
    assert "pcgrad" in printed
