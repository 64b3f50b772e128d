"""What this package brings, found as mtk finds it, so that no test names a module or a class."""

import tomllib
from pathlib import Path

import mtk
import pytest

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
PACKAGE = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["name"]

REGISTRY = mtk.Registry()
BROUGHT = [part for part in REGISTRY.components if part.package == PACKAGE]


@pytest.fixture
def brought() -> list:
    return BROUGHT


@pytest.fixture
def broken() -> list[str]:
    return [plugin.reason for plugin in REGISTRY.broken if plugin.package == PACKAGE]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `part` is one for each part of the package; a test that takes `check`,
    one for each promise of each part."""
    if "part" in metafunc.fixturenames:
        metafunc.parametrize("part", BROUGHT, ids=lambda part: part.name)
    if "check" in metafunc.fixturenames:
        from mtk.testing import checks

        found = [(part, check) for part in BROUGHT for check in checks(part.load())]
        names = [f"{part.name}-{check}" for part, check in found]
        metafunc.parametrize("check", [check for _, check in found], ids=names)
